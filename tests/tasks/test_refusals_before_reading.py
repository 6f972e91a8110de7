"""What cannot be is refused before any text is read, in the words of the person."""

from pathlib import Path

import pytest

from ostinato.errors import SettingsError
from ostinato.tasks.text.task import train_text
from ostinato.training import Observer

ABSTRACT = """
import ostinato

class Mine(ostinato.Cell):
    pass
"""
WITHOUT_SIZES = """
import ostinato

class Mine(ostinato.Cell):
    def __init__(self):
        super().__init__(1, 1)

    def step(self, projected, hidden, state):
        return hidden, state
"""


class NobodyReads(Observer):
    """Fails where a text is read."""

    def preparing(self, done_bytes: int, total_bytes: int | None, what: str) -> None:
        raise AssertionError("a text was read")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (ABSTRACT, "Mine in .* is no complete cell: it needs a step"),
        (WITHOUT_SIZES, r"must be made as Mine\(input_size, hidden_size\)"),
        ("import sys\nsys.exit('bye')", "it ends the program"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_cell_that_cannot_be(
    text: Path, quick: dict, tmp_path: Path, source: str, message: str
) -> None:
    (tmp_path / "mine.py").write_text(source)
    with pytest.raises(SettingsError, match=message):
        train_text(str(text), cell=f"{tmp_path}/mine.py:Mine", observer=NobodyReads(), **quick)


def test_options_that_the_cell_cannot_have(text: Path, quick: dict) -> None:
    with pytest.raises(SettingsError, match="feedforward carries none"):
        train_text(str(text), cell="feedforward", zoneout=0.1, observer=NobodyReads(), **quick)


def test_a_folder_below_a_file(text: Path, quick: dict) -> None:
    with pytest.raises(SettingsError, match=r"is a file, so that .* cannot be a folder"):
        train_text(str(text), run=text / "sub" / "run", observer=NobodyReads(), **quick)


def test_no_text_at_all(quick: dict) -> None:
    with pytest.raises(SettingsError, match=r"^data needs at least one file or folder$"):
        train_text([], **quick)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 9}, "hidden_size is 12 there and 9 here"),
        ({"layers": 2}, "layers is 1 there and 2 here"),
        ({"cell": "gru"}, "cell is lstm there and gru here"),
        ({"peepholes": True}, "peepholes is False there and True here"),
    ],
)
def test_initial_weights_of_another_model(
    text: Path, quick: dict, tmp_path: Path, options: dict, message: str
) -> None:
    first = tmp_path / "first"
    train_text(str(text), run=first, **(quick | {"updates": 1}))
    with pytest.raises(SettingsError, match=message):
        train_text(str(text), initial_weights=first, observer=NobodyReads(), **(quick | options))
