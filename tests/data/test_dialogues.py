"""Dialogues as pairs: which turns answer which, with how many before them, and what is refused."""

import json
from pathlib import Path

import pytest

from ostinato.data import PairLayout, read_pairs
from ostinato.data.dialogues import TURN_SEPARATOR, join_turns
from ostinato.data.pair_reading import read_sources
from ostinato.errors import DataError

TABLE = [["U", "Hello!"], ["S", "Hi."], ["U", "A table."], ["S", "When?"]]


def write(path: Path, *dialogues: object) -> Path:
    path.write_text("".join(json.dumps({"turns": turns}) + "\n" for turns in dialogues))
    return path


def rows(path: Path, **layout: object) -> list[tuple[str, str]]:
    pairs = read_pairs(path, layout=PairLayout(**layout))  # type: ignore[arg-type]
    return list(zip(pairs.sources, pairs.targets, strict=True))


def test_each_answer_has_the_turns_before_it(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", TABLE)
    assert rows(path, history=0) == [("Hello!", "Hi."), ("A table.", "When?")]
    assert rows(path, history=1)[1] == (f"Hi. {TURN_SEPARATOR} A table.", "When?")
    whole = join_turns(["Hello!", "Hi.", "A table."])
    assert rows(path)[1] == rows(path, history=9)[1] == (whole, "When?")


def test_turns_of_one_speaker_in_a_row_are_one_and_empty_ones_are_none(tmp_path: Path) -> None:
    turns = [["U", "One"], ["U", "two"], ["S", " "], ["U", "three"], ["S", "So"], ["S", "many?"]]
    assert rows(write(tmp_path / "d.jsonl", turns)) == [("One two three", "So many?")]


def test_the_speaker_who_answers_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", TABLE)
    assert rows(path, answers="U", history=0) == [("Hi.", "A table.")]
    with pytest.raises(DataError, match="holds no turn of X that answers another"):
        rows(path, answers="X")


def test_turns_that_are_texts_alone_are_of_two_speakers(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", ["Hello!", "Hi.", "A table.", "When?"])
    assert rows(path, history=0) == [("Hello!", "Hi."), ("A table.", "When?")]
    assert rows(path, history=0, answers="first") == [("Hi.", "A table.")]


def test_pairs_keep_the_line_of_their_dialogue_and_dialogues_without_answer_are_counted(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "d.jsonl", TABLE, [["U", "Anybody?"]], [], TABLE)
    pairs = read_pairs(path)
    assert (pairs.lines, pairs.blank, pairs.history) == ([1, 1, 4, 4], 2, 2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"turns": "Hello!"}', 'line 2 must be a dialogue, an object with a list of "turns"'),
        ('{"source": "a", "target": "b"}', "line 2 must be a dialogue"),
        ('{"turns": [["U", "a"], ["S"]]}', r'line 2, turn 2 must be a speaker and a text.*\["S"\]'),
        ('{"turns": [["U", "a"], ["S", 3]]}', r"line 2, turn 2 must be a speaker"),
        ('{"turns": ["a", ["S", "b"]]}', r'line 2, turn 1 must be a speaker and a text.*got "a"'),
        ('{"turns": [["U", "a ␞ b"]]}', "line 2, turn 1 holds ␞, which stands between turns"),
        ("[1]", "line 2 must be an object"),
        ("{", "line 2 is no JSON"),
    ],
)
def test_bad_dialogues_are_named_with_line_and_turn(
    tmp_path: Path, line: str, message: str
) -> None:
    path = write(tmp_path / "d.jsonl", TABLE)
    path.write_text(path.read_text() + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"d\.jsonl, " + message):
        read_pairs(path)


def test_what_only_dialogues_have_is_refused_of_a_table(tmp_path: Path) -> None:
    table = tmp_path / "p.tsv"
    table.write_text("a\tb\n")
    with pytest.raises(DataError, match="holds no dialogues, which history and answers are for"):
        read_pairs(table, layout=PairLayout(history=1))


def test_sources_alone_are_those_of_the_pairs(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", TABLE, [], TABLE)
    assert (
        list(read_sources(path, PairLayout(history=1)))
        == read_pairs(path, layout=PairLayout(history=1)).sources
    )
