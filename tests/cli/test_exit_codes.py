"""Every end of a command has its exit code and one message."""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest

import ostinato.tasks.text.task
from ostinato.cli.main import main
from ostinato.errors import DataError, MissingExtraError, TrainingError
from ostinato.training import Interrupted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian", "text"], "did you mean 'train'?"),
        (["train", "txt"], "did you mean 'text'?"),
        (["train"], "text"),
        (["train", "text"], "--data"),
        (["train", "text", "--data", "a", "--hiden-size", "3"], "--hidden-size"),
        (["train", "text", "--data", "a", "--hidden-size", "0"], "hidden_size must be greater"),
        (["train", "text", "--data", "a", "--hidden-size", "x"], "--hidden-size"),
        (["train", "text", "--data", "a", "--cell", "lsmt"], "'lstm'?"),
        (["train", "text", "--data", "a", "--updates", "3", "--epochs", "1"], "not both"),
        (["train", "text", "--config", "none.toml"], "no configuration file none.toml"),
        (["train", "text", "--config"], "--config needs a value"),
        (["train", "text", "--data", "no-such-file.txt"], "no-such-file.txt"),
        (["evaluate", "no-such-run"], "no-such-run holds no run"),
        (["generate", "no-such-run", "--prompt", "a"], "no-such-run holds no run"),
        (["generate", "run", "--greedy", "--top-k", "3"], "--greedy draws nothing"),
        (["evaluate", "run", "--data", "a", "--part", "test"], "not both"),
        (["resume", "no-such-run"], "no-such-run holds no run"),
        (["runs", "no-such-folder"], "no folder no-such-folder"),
    ],
)
def test_mistake_ends_with_2_and_a_message(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    ended = capsys.readouterr()
    assert message in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""


def _main_when_training_raises(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    def train(settings, observer):
        raise error

    monkeypatch.setattr(ostinato.tasks.text.task, "train", train)
    return main(["train", "text", "--data", "a"])


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (DataError("bad byte"), 2),
        (MissingExtraError("install it"), 2),
        (FileNotFoundError("no file"), 2),
        (TrainingError("not a number"), 1),
        (ZeroDivisionError("a mistake of ours"), 1),
        (Interrupted(143), 143),
        (Interrupted(130), 130),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: repr(value),
)
def test_exit_code_says_how_training_ended(
    error: BaseException, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _main_when_training_raises(error, monkeypatch) == exit_code


def test_termination_outside_training_ends_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    def train(settings, observer):
        with contextlib.ExitStack() as stack:
            stack.callback(closed.append, True)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    monkeypatch.setattr(ostinato.tasks.text.task, "train", train)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["train", "text", "--data", "a"]) == 143
    assert closed == [True]
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_run_below_a_file_is_refused_before_the_text_is_read(
    text_file: Path, small_options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "text", *small_options, "--run", str(text_file / "sub")]) == 2
    assert capsys.readouterr().err == (
        f"error: {text_file} is a file, so that {text_file / 'sub'} cannot be a folder: give "
        "another --run\n"
    )


def test_a_cell_file_that_ends_the_program_is_a_mistake(
    small_options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text("import sys\nsys.exit(0)\n")
    assert main(["train", "text", *small_options, "--cell", f"{tmp_path}/mine.py:Mine"]) == 2
    assert "mine.py cannot be loaded: it ends the program" in capsys.readouterr().err


def test_a_training_that_diverges_says_what_helps(
    small_options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*small_options, "--learning-rate", "1e30", "--clip-norm", "None"]
    assert main(["train", "text", *options, "--run", str(tmp_path / "r")]) == 1
    told = capsys.readouterr().err
    assert "training diverged" in told
    assert "try a smaller learning rate, or clip the gradient" in told


def test_unexpected_failure_tells_how_to_see_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _main_when_training_raises(ZeroDivisionError("ours"), monkeypatch)
    message = capsys.readouterr().err
    assert "ZeroDivisionError: ours" in message
    assert "OSTINATO_DEBUG=1" in message
    assert "Traceback" not in message


def test_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OSTINATO_DEBUG", "1")
    _main_when_training_raises(ZeroDivisionError("ours"), monkeypatch)
    assert "Traceback" in capsys.readouterr().err


def test_only_the_first_process_tells_of_a_mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert main(["trian"]) == 2
    assert capsys.readouterr().err == ""


def test_every_process_tells_of_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "3")
    _main_when_training_raises(TrainingError("not a number"), monkeypatch)
    assert "process 3: error: not a number" in capsys.readouterr().err


def test_arguments_come_from_the_process_by_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ostinato", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("ostinato ")


def test_run_is_not_trained_twice(
    trained_run: Path, small_options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "text", *small_options, "--run", str(trained_run)]) == 2
    assert "holds a run already" in capsys.readouterr().err
