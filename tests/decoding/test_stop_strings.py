"""Stop strings: found wherever the text is cut, and never shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.decoding import StopStrings
from ostinato.errors import SettingsError

LETTERS = st.text("ab", max_size=12)


def shown(stops: list[str], pieces: list[str]) -> tuple[str, bool]:
    text = StopStrings(stops)
    parts = [text.feed(piece) for piece in pieces]
    return "".join(part for part, _ in parts) + text.finish(), text.stopped


def test_a_stop_string_cut_in_pieces_is_found_and_never_shown() -> None:
    text = StopStrings(["END", "\n\n"])
    assert [text.feed(piece) for piece in ("a E", "N", "x\n", "b EN", "D c")] == [
        ("a ", False),
        ("", False),
        ("ENx", False),
        ("\nb ", False),
        ("", True),
    ]


def test_what_was_held_back_comes_at_the_end() -> None:
    text = StopStrings(["END"])
    assert text.feed("the EN") == ("the ", False)
    assert text.finish() == "EN"
    assert text.finish() == ""


def test_nothing_is_shown_after_a_stop() -> None:
    text = StopStrings(["."])
    assert text.feed("One. Two") == ("One", True)
    assert text.feed(" Three") == ("", True)
    assert text.finish() == ""


def test_no_stop_strings_hold_nothing_back() -> None:
    assert StopStrings([]).feed("anything") == ("anything", False)


def test_a_beginning_inside_a_failed_beginning_is_found() -> None:
    assert shown(["aab"], ["aa", "ab", "c"]) == ("a", True)


def test_the_first_complete_stop_string_counts() -> None:
    assert shown(["abcd", "bc"], ["xabcd"]) == ("xa", True)


def test_the_longer_of_two_complete_at_once_counts() -> None:
    assert shown(["bc", "abc"], ["xabc"]) == ("x", True)


@given(LETTERS, st.lists(st.text("ab", min_size=1, max_size=4), max_size=3), st.integers(1, 12))
def test_the_cuts_change_nothing(text: str, stops: list[str], size: int) -> None:
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert shown(stops, pieces) == shown(stops, list(text))


@given(LETTERS, st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_what_is_shown_begins_the_text_and_holds_no_stop_string(
    text: str, stops: list[str]
) -> None:
    visible, stopped = shown(stops, list(text))
    assert text.startswith(visible)
    assert not any(stop in visible for stop in stops)
    assert stopped == any(stop in text for stop in stops)
    assert stopped or visible == text


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(SettingsError, match="must not be empty"):
        StopStrings([""])


def test_a_bare_string_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"must be a list, as \['END'\]"):
        StopStrings("END")
