"""What computes a layer here, and how a cell runs compiled."""

from pathlib import Path

import pytest

from ostinato.cli.main import main

OWN = """
import torch
import ostinato


class Leaky(ostinato.Cell):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.weight_ih = self.weight(hidden_size, input_size)
        self.weight_hh = self.weight(hidden_size, hidden_size)

    def project(self, inputs):
        return inputs @ self.weight_ih.T

    def step(self, projected, hidden, state):
        hidden = 0.9 * state.hidden + torch.tanh(projected + hidden @ self.weight_hh.T)
        return hidden, ostinato.HiddenState(hidden)


class Sorted(Leaky):
    def step(self, projected, hidden, state):
        hidden = torch.sort(projected).values
        return hidden, ostinato.HiddenState(hidden)


class Wide(Leaky):
    def __init__(self, input_size, hidden_size, width):
        super().__init__(input_size, hidden_size)
"""


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_engines_tells_the_width_of_vectors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines"]) == 0
    assert "numbers in float32" in capsys.readouterr().out


def test_a_cell_is_explained_with_the_sizes_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--hidden-size", "24", "--input-size", "10"]
    assert main(["engines", "--explain", "gru-before", *options]) == 0
    text = capsys.readouterr().out
    assert text.startswith("GRUCell: 10 features in, 24 out; state: hidden 24\n")
    assert "P1 = step_input @ weight_ih.T" in text
    assert "10 x 72" in text


def test_a_cell_of_ones_own_is_explained(
    own_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["engines", "--explain", f"{own_file}:Leaky"]) == 0
    text = capsys.readouterr().out
    assert "next_hidden = previous_hidden * 0.9 + a" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--explain", "lsmt"], "did you mean 'lstm'?"),
        (["--explain", "feedforward"], "feedforward cannot be compiled: FeedForwardCell carries"),
        (["--explain", "none.py:Cell"], "there is no file none.py (from --explain none.py:Cell)"),
        (["--explain", "lstm", "--hidden-size", "0"], "hidden_size"),
        (["--explain", "lstm", "--picture", "stages.jpg"], "must end in .png"),
        (["--picture", "stages.png"], "name one with --explain"),
    ],
)
def test_mistake_ends_with_2_and_a_message(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["engines", *arguments]) == 2
    ended = capsys.readouterr()
    assert message in ended.err
    assert ended.out == ""


def test_what_cannot_be_compiled_is_told_with_its_line(
    own_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["engines", "--explain", f"{own_file}:Sorted"]) == 2
    message = capsys.readouterr().err
    assert "torch's sort is not known to the compiler" in message
    assert f"{own_file}, line 22: hidden = torch.sort(projected).values" in message


def test_a_cell_that_takes_more_than_two_sizes_is_refused(
    own_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["engines", "--explain", f"{own_file}:Wide"]) == 2
    assert "Wide must be made as Wide(input_size, hidden_size)" in capsys.readouterr().err


def test_a_picture_is_drawn_beside_the_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "pictures" / "stages.png"
    assert main(["engines", "--explain", "rnn-norm", "--picture", str(picture)]) == 0
    assert str(picture) in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert list(picture.parent.iterdir()) == [picture]
