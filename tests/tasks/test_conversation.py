"""A conversation reads the turns that training read, and no more."""

import pytest

from ostinato.data.dialogues import TURN_SEPARATOR, join_turns
from ostinato.errors import DataError
from ostinato.tasks.translation.conversation import Conversation


def heard_by(history: int, longest: int = 1000) -> tuple[Conversation, list[str]]:
    """A conversation with somebody who answers 1, 2, ... and remembers what he read."""
    heard: list[str] = []

    def answer(source: str) -> str:
        heard.append(source)
        return str(len(heard))

    return Conversation(answer, history, lambda source: len(source) <= longest), heard


def test_the_last_turns_of_both_stand_before_what_is_said() -> None:
    talk, heard = heard_by(2)
    assert [talk.say(text) for text in ("a", "b", "c")] == ["1", "2", "3"]
    assert heard == ["a", join_turns(["a", "1", "b"]), join_turns(["b", "2", "c"])]


def test_without_history_each_turn_stands_alone() -> None:
    talk, heard = heard_by(0)
    talk.say("a")
    talk.say("b")
    assert heard == ["a", "b"]


def test_the_oldest_turns_go_where_all_are_too_long() -> None:
    talk, heard = heard_by(4, longest=len(join_turns(["1", "b"])))
    talk.say("aaa")
    talk.say("b")
    talk.say("a turn that is too long by itself")
    assert heard[1:] == [join_turns(["1", "b"]), "a turn that is too long by itself"]


def test_a_new_dialogue_knows_nothing_of_the_old() -> None:
    talk, heard = heard_by(2)
    talk.say("a")
    talk.begin_anew()
    talk.say("b")
    assert heard == ["a", "b"]


@pytest.mark.parametrize("text", [" \n", f"a {TURN_SEPARATOR} b"])
def test_what_cannot_be_said_is_refused_and_forgotten(text: str) -> None:
    talk, _ = heard_by(2)
    with pytest.raises(DataError):
        talk.say(text)
    assert talk.turns == []
