import builtins
import json
from functools import cache
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.data import (
    BPETokeniser,
    ByteTokeniser,
    CharacterTokeniser,
    TokeniserSettings,
    WordTokeniser,
    load_tokeniser,
)
from ostinato.data.text_cuts import pieces_of
from ostinato.errors import DataError, MissingExtraError, SettingsError

TEXT = "the cat sat on the mat\nthe häuser cost 5 € each\n\nthe end 😀\n"
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@cache
def tokeniser_of(kind):
    sizes = {"bpe": 280}
    return TokeniserSettings(kind, sizes.get(kind)).learn([[TEXT]])


kinds = pytest.mark.parametrize("kind", ["characters", "bytes", "words", "bpe"])


@kinds
def test_decoding_gives_back_the_text_it_learnt_from(kind):
    tokeniser = tokeniser_of(kind)
    assert tokeniser.decode(tokeniser.encode(TEXT)) == TEXT


@kinds
def test_stream_decoder_gives_the_same_text_piece_by_piece(kind):
    tokeniser = tokeniser_of(kind)
    decoder = tokeniser.stream_decoder()
    pieces = [decoder.feed(index) for index in tokeniser.encode(TEXT)]
    assert "".join(pieces) + decoder.finish() == TEXT
    assert not any("\ufffd" in piece for piece in pieces)


@kinds
def test_saved_and_loaded_tokeniser_encodes_alike(kind, tmp_path):
    tokeniser = tokeniser_of(kind)
    tokeniser.save(tmp_path)
    loaded = load_tokeniser(tmp_path)
    assert type(loaded) is type(tokeniser)
    assert loaded.encode(TEXT + "zebra Я") == tokeniser.encode(TEXT + "zebra Я")
    assert loaded.serialised() == tokeniser.serialised()
    assert loaded.vocabulary_size == tokeniser.vocabulary_size


@kinds
def test_indices_fit_the_vocabulary_and_never_are_the_boundary(kind):
    tokeniser = tokeniser_of(kind)
    indices = tokeniser.encode(TEXT + "unseen Ω words")
    assert max(indices) < tokeniser.vocabulary_size
    assert tokeniser.end_index not in indices
    assert tokeniser.decode([tokeniser.end_index]) == ""
    assert tokeniser.decode(range(tokeniser.vocabulary_size)) is not None


@kinds
def test_documents_encode_as_each_alone(kind):
    tokeniser = tokeniser_of(kind)
    texts = ["the cat", "", "é sat\n", "the mat 😀"]
    indices, counts = tokeniser.encode_documents(texts)
    assert indices.dtype == tokeniser.dtype
    apart = np.split(indices, np.cumsum(counts)[:-1])
    assert [array.tolist() for array in apart] == [tokeniser.encode(text) for text in texts]


@given(any_text)
def test_bytes_and_bpe_can_spell_any_text(text):
    for tokeniser in (ByteTokeniser(), tokeniser_of("bpe")):
        assert tokeniser.decode(tokeniser.encode(text)) == text
        assert tokeniser.unknown_index is None


@given(any_text)
def test_characters_decode_to_the_text_they_were_learnt_from(text):
    tokeniser = TokeniserSettings("characters").learn([[text]])
    assert tokeniser.decode(tokeniser.encode(text)) == text


@given(any_text)
def test_bytes_are_those_of_utf_8(text):
    assert ByteTokeniser().encode(text) == list(text.encode())


def test_characters_are_in_the_order_of_their_code_points():
    assert CharacterTokeniser("cab").encode("abc") == [2, 3, 4]


def test_unseen_character_is_unknown_on_either_side_of_the_vocabulary():
    tokeniser = CharacterTokeniser("mn")
    assert tokeniser.encode("amz\U0010ffff\ud800") == [1, 2, 1, 1, 1]
    assert tokeniser.decode([1]) == "\ufffd"


def test_rare_characters_are_left_out_on_request():
    learnt = TokeniserSettings("characters", minimum_count=2).learn([["aab", "bc"]])
    assert learnt.decode(learnt.encode("abc")) == "ab\ufffd"


def test_limited_vocabulary_keeps_the_most_frequent_characters():
    learnt = TokeniserSettings("characters", vocabulary_size=4).learn([["abbccc"]])
    assert learnt.vocabulary_size == 4
    assert learnt.decode(learnt.encode("abc")) == "\ufffdbc"


def test_words_count_one_token_a_word_and_one_a_line_end():
    tokeniser = WordTokeniser(["no", "it", "was"])
    assert tokeniser.encode(" no it was \n it was \n") == [3, 4, 5, 2, 4, 5, 2]


def test_the_texts_own_unk_is_the_unknown_word():
    tokeniser = TokeniserSettings("words").learn([["a <unk> b\n"]])
    assert tokeniser.vocabulary_size == 5
    assert tokeniser.encode("<unk> zebra") == [tokeniser.unknown_index] * 2
    assert tokeniser.decode(tokeniser.encode("a <unk> b\n")) == "a <unk> b\n"


def test_words_are_ordered_by_frequency_then_alphabet_and_limited():
    settings = TokeniserSettings("words", vocabulary_size=6)
    learnt = settings.learn([["b a c c"], ["d c d"]])
    assert learnt.words == ["c", "d", "a"]  # type: ignore[attr-defined]
    assert learnt.vocabulary_size == 6


def test_rare_words_are_unknown_on_request():
    learnt = TokeniserSettings("words", minimum_count=2).learn([["a a b"]])
    assert learnt.decode(learnt.encode("a b")) == "a <unk>"


def test_words_seen_once_are_forgotten_when_the_table_is_full(monkeypatch):
    monkeypatch.setattr("ostinato.data.tokenisers.words._COUNTED_WORDS", 3)
    learnt = TokeniserSettings("words").learn([["a a b"], ["b c d"], ["d a"]])
    assert learnt.words == ["a", "b", "d"]  # type: ignore[attr-defined]


def test_word_stream_begins_lines_without_a_space():
    decoder = WordTokeniser(["a", "b"]).stream_decoder()
    assert [decoder.feed(index) for index in (3, 4, 2, 3)] == ["a", " b", "\n", "a"]


def test_byte_stream_shows_a_character_when_its_last_byte_comes():
    decoder = ByteTokeniser().stream_decoder()
    assert [decoder.feed(byte) for byte in "é€".encode()] == ["", "é", "", "", "€"]


def test_byte_stream_shows_broken_text_as_replacement_characters():
    decoder = ByteTokeniser().stream_decoder()
    assert decoder.feed(0xE2) + decoder.feed(0x82) + decoder.finish() == "\ufffd"
    assert ByteTokeniser().decode([0xFF, 97]) == "\ufffda"


def test_bytes_of_a_bad_argument_are_themselves():
    assert ByteTokeniser().encode(b"a\xff".decode("utf-8", "surrogateescape")) == [97, 255]


def test_bpe_has_the_size_asked_for_with_its_boundary():
    tokeniser = tokeniser_of("bpe")
    assert tokeniser.vocabulary_size == 280
    assert tokeniser.end_index == 279
    assert len(tokeniser.encode(TEXT)) < len(TEXT.encode())


@settings(deadline=None)
@given(st.text("theca \n.5é", max_size=80), st.integers(1, 10))
def test_bpe_of_pieces_is_bpe_of_the_whole(text, length):
    tokeniser = tokeniser_of("bpe")
    pieces = [tokeniser.encode(piece) for piece in pieces_of(text, length)]
    assert list(chain.from_iterable(pieces)) == tokeniser.encode(text)


def test_bpe_without_its_library_names_the_extra(monkeypatch):
    real_import = builtins.__import__

    def refuse(name, *arguments):
        if name == "tokenizers":
            raise ImportError(name)
        return real_import(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"ostinato\[text\]"):
        TokeniserSettings("bpe")
    with pytest.raises(MissingExtraError, match=r"ostinato\[text\]"):
        BPETokeniser("{}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sentences",), "not 'sentences'"),
        (("characters", 3), "vocabulary_size for characters must be at least 4"),
        (("bpe", 256), "vocabulary_size for bpe must be at least 257"),
        (("words", None, 0), "minimum_count"),
        (("bytes", 300), "always have 257 tokens"),
        (("bytes", None, 2), "always have 257 tokens"),
    ],
)
def test_settings_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(SettingsError, match=message):
        TokeniserSettings(*arguments)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "format 1"),
        (json.dumps({"format": 2, "kind": "bytes"}), "format 1"),
        (json.dumps({"format": 1, "kind": "syllables"}), "kind 'syllables'"),
        (json.dumps({"format": 1, "kind": "words"}), "damaged"),
    ],
)
def test_unreadable_tokeniser_is_named(tmp_path, content, message):
    (tmp_path / "tokeniser.json").write_text(content)
    with pytest.raises(DataError, match=message):
        load_tokeniser(tmp_path)


def test_missing_tokeniser_is_named(tmp_path):
    with pytest.raises(DataError, match="no tokeniser in"):
        load_tokeniser(tmp_path)
