"""Lines to tokens and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.data import LineCodec, TokeniserSettings, learn_codec

LINES = ["the house is red", "a red house", "is the red one a house", "Zürich – schön"]


@pytest.mark.parametrize(
    "settings",
    [
        TokeniserSettings("characters"),
        TokeniserSettings("bytes"),
        TokeniserSettings("words"),
        TokeniserSettings("bpe", 300),
    ],
    ids=lambda settings: settings.kind,
)
def test_lines_come_back(settings: TokeniserSettings) -> None:
    codec = learn_codec(settings, LINES)
    tokens, lengths = codec.encode(LINES)
    ends = lengths.cumsum()
    parts = [tokens[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    assert [codec.decode(part.tolist()) for part in parts] == LINES
    assert codec.boundary_index not in tokens


def test_the_first_word_of_a_line_is_the_same_piece_as_within() -> None:
    codec = learn_codec(TokeniserSettings("bpe", 300), LINES * 20)
    (first, *_), _ = codec.encode(["red house"])
    (*_, last), _ = codec.encode(["house red"])
    assert first == last
    assert codec.pieces([first]) == [" red"]


BYTES = learn_codec(TokeniserSettings("bytes"), [])


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n")), min_size=1))
def test_any_lines_come_back_from_bytes(lines: list[str]) -> None:
    codec = LineCodec(BYTES.tokeniser)
    tokens, lengths = codec.encode(lines)
    assert lengths.tolist() == [len(line.encode()) for line in lines]
    assert codec.decode(tokens.tolist()) == "".join(lines)
