from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.data import Split
from ostinato.data.documents import Piece
from ostinato.data.splits import divide, survey_documents
from ostinato.errors import DataError, SettingsError


@pytest.fixture(scope="session")
def hashes(tmp_path_factory):
    return tmp_path_factory.mktemp("splits") / "hashes"


def pieces_of(documents, size):
    """Documents in pieces of `size` characters, as when they are read from disk."""
    pieces = []
    for document in documents:
        starts = range(0, len(document), size)
        pieces += [Piece([document[start : start + size]], closed=False) for start in starts]
        pieces.append(Piece([""], closed=True))
    return pieces


def divided(documents, split, hashes, size=7, cuts_anywhere=True):
    """For each part, its text with | behind each document."""
    pieces = pieces_of(documents, size)
    survey = survey_documents(pieces, hashes)
    selections = divide(survey, split, lambda: pieces, cuts_anywhere)
    return {
        name: "".join("|".join(piece.texts) + "|" * piece.closed for piece in select(iter(pieces)))
        for name, select in selections.items()
    }


@settings(max_examples=60, deadline=None)
@given(st.text("ab \n", min_size=20, max_size=80), st.sampled_from([0.0, 0.1, 0.25]), st.booleans())
def test_one_document_is_cut_into_stretches_that_follow_each_other(
    hashes, text, test_fraction, anywhere
):
    text = "one two three " + text + " four five six" * 6  # words enough for a cut in every part
    split = Split(0.3, test_fraction)
    parts = divided([text], split, hashes, cuts_anywhere=anywhere)
    joined = "".join(
        parts.get(name, "|").removesuffix("|") for name in ("train", "validation", "test")
    )
    assert joined == text


def test_one_document_gives_its_first_nine_tenths_to_training(hashes):
    assert divided(["abcdefghij"], Split(), hashes) == {"train": "abcdefghi|", "validation": "j|"}
    parts = divided(["abcdefghij"], Split(0.1, 0.2), hashes)
    assert parts == {"train": "abcdefg|", "validation": "h|", "test": "ij|"}


def test_words_are_not_cut(hashes):
    parts = divided(["one two three four"], Split(0.5), hashes, cuts_anywhere=False)
    assert parts == {"train": "one two three|", "validation": " four|"}


def test_without_validation_everything_is_for_training(hashes):
    assert divided(["abc"], Split(0.0, 0.4), hashes) == {"train": "a|", "test": "bc|"}


documents = [f"document {number % 40}" for number in range(60)]


@pytest.mark.parametrize("size", [4, 100])
def test_documents_are_divided_whole_and_equal_ones_stay_together(hashes, size):
    parts = divided(documents, Split(0.2, 0.1), hashes, size=size)
    texts = {name: part.removesuffix("|").split("|") for name, part in parts.items()}
    assert sorted(chain.from_iterable(texts.values())) == sorted(documents)
    assert not set(texts["train"]) & set(texts["validation"])
    assert not set(texts["train"]) & set(texts["test"])
    assert not set(texts["validation"]) & set(texts["test"])
    assert 12 <= len(texts["validation"]) <= 13
    assert 6 <= len(texts["test"]) <= 8


def test_division_is_the_same_for_the_same_seed_and_another_for_another(hashes):
    by_seed = [divided(documents, Split(0.2, seed=seed), hashes) for seed in (0, 0, 1)]
    assert by_seed[0] == by_seed[1] != by_seed[2]


def test_order_of_documents_is_kept(hashes):
    numbered = [f"{number:03d}" for number in range(50)]
    parts = divided(numbered, Split(0.2), hashes)
    for part in parts.values():
        found = part.removesuffix("|").split("|")
        assert found == sorted(found)


def test_smallest_share_still_holds_a_document(hashes):
    parts = divided(["aa", "bb", "cc"], Split(0.01), hashes)
    assert parts["validation"].count("|") == 1


@pytest.mark.parametrize(
    ("texts", "split"),
    [
        (["a"], Split(0.1)),
        (["abc"], Split(0.1, 0.05)),
        (["same", "same", "same"], Split(0.3)),
        (["a", "b"], Split(0.1, 0.1)),
    ],
)
def test_too_little_text_to_divide_is_refused(hashes, texts, split):
    with pytest.raises(DataError, match=r"too few for a .* part"):
        divided(texts, split, hashes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.0,), "validation_fraction must be"),
        ((0.1, -0.1), "test_fraction must be"),
        ((0.6, 0.4), "leave nothing to train on"),
    ],
)
def test_fractions_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(SettingsError, match=message):
        Split(*arguments)
