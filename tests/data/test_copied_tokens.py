"""Words that a vocabulary lacks get the numbers behind it, and come back as they were."""

import numpy as np

from ostinato.data import (
    BatchLimits,
    CharacterTokeniser,
    LineCodec,
    PairBatches,
    PairCodec,
    Pairs,
    WordTokeniser,
    encode_pairs,
)
from ostinato.data.copied_tokens import copied_tokens, pieces_with_copied

ENGLISH = LineCodec(WordTokeniser(["and", "here"]))  # 5 tokens: end, unknown, newline, and, here
GERMAN = LineCodec(WordTokeniser(["und", "hier"]))
AND, HERE, UNKNOWN, FIRST, SECOND = 3, 4, 1, 5, 6


def test_own_words_are_numbered_in_their_order_from_the_vocabulary_on() -> None:
    lent = copied_tokens(ENGLISH, ["Max and Zoe and Max", "", "here", "Zoe"], 9)
    assert lent.tokens.tolist() == [FIRST, AND, SECOND, AND, FIRST, HERE, FIRST]
    assert lent.words == [["Max", "Zoe"], [], [], ["Zoe"]]


def test_own_words_beyond_the_room_for_them_stay_unknown() -> None:
    lent = copied_tokens(ENGLISH, ["Max Zoe Max"], 1)
    assert lent.tokens.tolist() == [FIRST, UNKNOWN, FIRST]


def test_a_target_takes_the_numbers_of_its_sources_words_alone() -> None:
    pairs = Pairs(
        ["Max und Zoe", "Eva hier"], ["Zoe and Max", "here Max"], [1, 2], "names.tsv", blank=0
    )
    part = encode_pairs(pairs, PairCodec(GERMAN, ENGLISH, extra_tokens=4), None)
    assert part.target[0] == [SECOND + 1, AND, FIRST]
    assert part.target[1] == [HERE, UNKNOWN]
    assert part.unknown_share == 1 / 5
    assert part.copied is not None
    assert part.copied[0] == [FIRST, SECOND, SECOND + 1]  # "und" is no English word either
    window = PairBatches(part, BatchLimits(100, 10))[0]
    assert window.copied is not None
    assert window.copied.shape == window.inputs.shape
    assert window.inputs.max() < GERMAN.vocabulary_size


def test_without_extra_tokens_nothing_is_copied_beyond_the_vocabulary() -> None:
    pairs = Pairs(["Max"], ["Max"], [1], "names.tsv", blank=0)
    part = encode_pairs(pairs, PairCodec(GERMAN, ENGLISH), None)
    assert (part.copied, part.target[0]) == (None, [UNKNOWN])


def test_numbers_come_back_as_the_words_they_were() -> None:
    line = "Max and Zoe"
    lent = copied_tokens(ENGLISH, [line], 9)
    assert pieces_with_copied(ENGLISH, lent.tokens.tolist(), lent.words[0]) == line.split()
    assert pieces_with_copied(ENGLISH, [FIRST], []) == ["<unk>"]


def test_characters_are_lent_as_words_are() -> None:
    codec = LineCodec(CharacterTokeniser("ab"))
    lent = copied_tokens(codec, ["aéb"], 9)
    np.testing.assert_array_equal(lent.tokens, [2, codec.vocabulary_size, 3])
    assert codec.join(pieces_with_copied(codec, lent.tokens.tolist(), lent.words[0])) == "aéb"
