"""Dialogues as pairs: the turns so far, and the turn that answers them."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from ostinato.errors import DataError

TURN_SEPARATOR = "\u241e"
"""The symbol for a record's end: one token of every tokeniser but that of bytes."""
DEFAULT_HISTORY = 2

Turn = tuple[str, str]
"""Who speaks, and what is said."""


def join_turns(turns: Sequence[str]) -> str:
    """Turns as one source, the oldest first.

    Example:
        >>> join_turns(["Hello!", "Hi.", "A table, please."])
        'Hello! ␞ Hi. ␞ A table, please.'
    """
    return f" {TURN_SEPARATOR} ".join(turns)


def answered_turns(
    turns: Sequence[Turn], history: int, answers: str | None
) -> Iterator[tuple[str, str]]:
    """Each answer of a dialogue with what came before it, as source and target.

    Args:
        turns: as `read_turns` gives them.
        history: turns before the one that is answered, which stand before it in the source.
        answers: whose turns are answers. None: of whoever speaks second.

    Example:
        >>> turns = [("U", "Hello!"), ("S", "Hi."), ("U", "A table."), ("S", "When?")]
        >>> list(answered_turns(turns, 1, None))
        [('Hello!', 'Hi.'), ('Hi. ␞ A table.', 'When?')]
    """
    if answers is None and len(turns) > 1:
        answers = turns[1][0]
    for place, (speaker, said) in enumerate(turns):
        if place > 0 and speaker == answers:
            before = turns[max(0, place - 1 - history) : place]
            yield join_turns([text for _, text in before]), said


def read_turns(row: dict[str, Any], place: str) -> list[Turn]:
    """The turns of `row["turns"]`: [speaker, text] each, or texts of two speakers by turns.

    Turns without text are passed over, and turns of one speaker in a row are one turn.

    Raises:
        DataError: something else stands there; `place` says where.
    """
    turns = row.get("turns")
    if not isinstance(turns, list):
        raise DataError(f'{place} must be a dialogue, an object with a list of "turns"')
    alone = bool(turns) and all(isinstance(turn, str) for turn in turns)
    read = [
        _turn((("second", "first")[number % 2], turn) if alone else turn, f"{place}, turn {number}")
        for number, turn in enumerate(turns, start=1)
    ]
    several = groupby((turn for turn in read if turn[1]), key=lambda turn: turn[0])
    return [(speaker, " ".join(text for _, text in said)) for speaker, said in several]


def _turn(turn: Any, place: str) -> Turn:
    if not (
        isinstance(turn, list | tuple)
        and len(turn) == 2
        and all(isinstance(part, str) for part in turn)
    ):
        raise DataError(
            f'{place} must be a speaker and a text, as ["U", "Hello!"], got {json.dumps(turn)}'
        )
    if TURN_SEPARATOR in turn[1]:
        raise DataError(f"{place} holds {TURN_SEPARATOR}, which stands between turns: take it out")
    return turn[0], " ".join(turn[1].split("\n")).strip()
