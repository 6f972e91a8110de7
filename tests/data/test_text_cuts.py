from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from ostinato.data.text_cuts import LONGEST_WORD, first_cut, last_cut, pieces_of


@given(st.text("ab \n", max_size=60), st.integers(1, 20))
def test_pieces_put_together_are_the_text(text, length):
    assert "".join(pieces_of(text, length)) == text


@given(st.text("ab \n", max_size=60), st.integers(1, 20))
def test_no_piece_cuts_a_word(text, length):
    words = [piece.split() for piece in pieces_of(text, length)]
    assert list(chain.from_iterable(words)) == text.split()


def test_cuts_lie_before_a_single_space_and_behind_a_single_newline():
    assert first_cut("one two", 0) == 3
    assert first_cut("one\ntwo", 0) == 4
    assert first_cut("one  two", 0) is None
    assert first_cut("one\n\ntwo", 0) is None


def test_last_cut_is_the_last_one():
    assert last_cut("one two three") == len("one two")
    assert last_cut("one two" + "x" * 5000) == 3


def test_text_without_cuts_is_cut_only_when_too_long_for_a_word():
    assert last_cut("x" * LONGEST_WORD) == 0
    assert last_cut("x" * (LONGEST_WORD + 1)) == LONGEST_WORD + 1
