"""The commands as a person chains them, on a text of two kilobytes."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from ostinato.cli.main import main


def test_train_ends_with_figures_a_sample_and_where_the_run_lies(
    small_options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "text", *small_options, "--run", str(tmp_path / "r")]) == 0
    ended = capsys.readouterr()
    assert "bits per character" in ended.out
    assert "A sample of 200 characters:" in ended.out
    assert str(tmp_path / "r") in ended.out
    assert str(tmp_path / "r" / "figures" / "loss.png") in ended.out
    assert "training: 4 updates" in ended.err


def test_train_names_the_run_before_it_trains(
    small_options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "text", *small_options, "--run", str(tmp_path / "r")]) == 0
    told = capsys.readouterr().err
    assert told.index(f"run: {tmp_path / 'r'}\n") < told.index("training: 4 updates")


def test_train_says_of_which_checkpoint_the_figures_are(
    trained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resume", str(trained_run)]) == 0
    assert "best validation, after update 4 (its weights are kept): " in capsys.readouterr().out


def test_resume_of_a_finished_run_trains_nothing(
    trained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resume", str(trained_run)]) == 0
    assert "training: 0 updates after 4 done before" in capsys.readouterr().err


def test_evaluate_prints_exactly_one_line_of_json(
    trained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(trained_run), "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert set(json.loads(lines[0])) == {
        *("nats_per_token", "bits_per_token", "perplexity"),
        *("bits_per_character", "bits_per_byte", "tokens", "unknown_share"),
    }


def test_evaluate_tells_the_figures_of_other_text(
    trained_run: Path, text_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(trained_run), "--data", str(text_file)]) == 0
    assert capsys.readouterr().out.startswith(f"{text_file}: ")


def test_evaluate_of_a_part_that_is_not_there_is_a_mistake(
    trained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(trained_run), "--part", "test"]) == 2
    assert "no test part" in capsys.readouterr().err


def _generated(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["generate", *arguments]) == 0
    return capsys.readouterr().out


def test_generate_writes_on_from_the_prompt(
    trained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = _generated(capsys, str(trained_run), "--prompt", "the clock", "--length", "12")
    assert text.startswith("the clock")
    assert len(text) == len("the clock") + 12 + len("\n")


def test_generate_repeats_itself_with_the_same_seed(
    trained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = (str(trained_run), "--prompt", "t", "--length", "30")
    first = _generated(capsys, *options, "--seed", "3")
    assert _generated(capsys, *options, "--seed", "3") == first
    assert _generated(capsys, *options, "--seed", "4") != first


def test_greedy_is_temperature_zero(trained_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = (str(trained_run), "--prompt", "t", "--length", "10")
    greedy = _generated(capsys, *options, "--greedy")
    assert _generated(capsys, *options, "--temperature", "0") == greedy


def test_generate_writes_several_samples(
    trained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = _generated(capsys, str(trained_run), "--prompt", "t", "--samples", "3", "--length", "5")
    assert text.count("--- sample") == 3


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[IO[str]]:
    """A pipe as standard input, with a line in it and an end."""
    reading, writing = os.pipe()
    os.write(writing, b"the tick\n")
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdin", stream)
        yield stream


def test_generate_takes_its_prompt_from_standard_input_where_told(
    trained_run: Path, piped: IO[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = _generated(capsys, str(trained_run), "--prompt", "-", "--length", "3")
    assert text.startswith("the tick")


def test_generate_leaves_standard_input_alone_where_not_told(
    trained_run: Path, piped: IO[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = _generated(capsys, str(trained_run), "--length", "3")
    assert len(text) == 3 + len("\n")
    assert piped.read() == "the tick\n"


def test_generate_tells_of_characters_that_the_model_does_not_know(
    trained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", str(trained_run), "--prompt", "thé cßock", "--length", "3"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("thé cßock")
    assert "2 of the 9 characters of the prompt are not in the model's vocabulary" in told.err


def test_generate_says_nothing_of_a_prompt_that_the_model_knows(
    trained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", str(trained_run), "--prompt", "the clock", "--length", "3"]) == 0
    assert capsys.readouterr().err == ""


def test_runs_lists_the_run_with_its_best_figure(
    trained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", str(trained_run.parent)]) == 0
    table = capsys.readouterr().out
    assert "clock" in table
    assert "bits/character" in table
    assert "finished" in table


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_runs_lists_a_damaged_run_among_the_others(
    trained_run: Path, tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained_run, tmp_path / "whole")
    shutil.copytree(trained_run, tmp_path / "broken")
    (tmp_path / "broken" / "run.json").write_text(content)
    assert main(["runs", str(tmp_path)]) == 0
    told = capsys.readouterr()
    (row,) = (line for line in told.out.splitlines() if "broken" in line)
    assert "damaged (run.json)" in row
    assert "finished" in told.out
    assert f"{tmp_path / 'broken' / 'run.json'} is damaged" in told.err


def test_runs_of_an_empty_folder_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"no runs in {tmp_path}\n"


def test_seeds_train_a_run_each_and_print_mean_and_deviation(
    small_options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*small_options, "--run", str(tmp_path / "r"), "--seeds", "2", "--seed", "5"]
    assert main(["train", "text", *options]) == 0
    told = capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"r-seed-5", "r-seed-6"}
    assert "validation bits_per_character of 2 runs: mean" in told
    assert "standard deviation" in told


@pytest.mark.parametrize(("signal_number", "exit_code"), [("TERM", 143), ("INT", 130)])
def test_a_stopped_run_can_be_resumed(
    signal_number: str, exit_code: int, small_options: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "r"
    options = [*small_options, "--run", str(run), "--updates", "100000", "--validate-every", "50"]
    program = "import sys; from ostinato.cli.main import main; sys.exit(main(sys.argv[1:]))"
    training = subprocess.Popen(
        [sys.executable, "-c", program, "train", "text", *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert training.stderr is not None
    next(line for line in training.stderr if "validation" in line)
    training.send_signal(signal.Signals[f"SIG{signal_number}"])
    message = training.communicate(timeout=60)[1]
    assert training.returncode == exit_code
    assert f"a checkpoint was written in {run}; go on with: ostinato resume {run}" in message
    assert (run / "checkpoints" / "last").is_file()
