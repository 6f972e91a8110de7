"""A chatbot as a person chains the commands: trained on dialogues, talked with, judged."""

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ostinato.cli.main import main


@pytest.fixture(scope="session")
def dialogues(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dialogues") / "tables.jsonl"
    turns = [["U", "A table please."], ["S", "When?"], ["U", "At six."], ["S", "It is booked."]]
    path.write_text((json.dumps({"turns": turns}) + "\n") * 30)
    return path


@pytest.fixture(scope="session")
def chatbot(dialogues: Path) -> Path:
    folder = dialogues.parent / "chatbot"
    options = [
        *("--data", str(dialogues), "--tokens", "words", "--history", "1"),
        *("--hidden-size", "16", "--embedding-size", "16", "--learning-rate", "0.02"),
        *("--updates", "40", "--device", "cpu", "--threads", "1", "--run", str(folder)),
    ]
    assert main(["train", "translation", *options]) == 0
    return folder


def said_to(run: Path, text: str | bytes, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    raw = text if isinstance(text, bytes) else text.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    return main(["chat", str(run), *options])


def test_each_line_has_an_answer_until_the_end(
    chatbot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said_to(chatbot, "A table please.\n\nAt six.\n", monkeypatch) == 0
    told = capsys.readouterr()
    assert told.out == "When?\nIt is booked.\n"
    assert told.err == ""


def test_reset_forgets_and_quit_ends(
    chatbot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "A table please.\n/reset\nA table please.\n/rest\n/quit\nAt six.\n"
    assert said_to(chatbot, text, monkeypatch, "--beam-size", "1") == 0
    told = capsys.readouterr()
    assert told.out == "When?\nWhen?\n"
    assert "there is no /rest; there are /reset, /quit; did you mean '/reset'?" in told.err


def test_answers_drawn_with_the_same_seed_are_the_same(
    chatbot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = ["--temperature", "5", "--seed", "3"]
    assert said_to(chatbot, "At six.\nAt six.\n", monkeypatch, *drawn) == 0
    first = capsys.readouterr().out
    assert said_to(chatbot, "At six.\nAt six.\n", monkeypatch, *drawn) == 0
    assert capsys.readouterr().out == first
    assert said_to(chatbot, "At six.\nAt six.\n", monkeypatch, *drawn, "--top-k", "1") == 0
    assert capsys.readouterr().out != first


def test_bad_input_and_options_of_two_ways_are_refused(
    chatbot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said_to(chatbot, b"At six.\nM\xfcnchen\n", monkeypatch) == 2
    assert "standard input, line 2 is not UTF-8" in capsys.readouterr().err
    assert said_to(chatbot, "x", monkeypatch, "--top-k", "3") == 2
    assert "--top-k says how to draw: give --temperature, too" in capsys.readouterr().err
    assert said_to(chatbot, "x", monkeypatch, "--temperature", "1", "--beam-size", "3") == 2
    assert "--beam-size is for the best answer that is found" in capsys.readouterr().err
    assert said_to(chatbot, "a ␞ b\n", monkeypatch) == 0
    assert "stands between turns: leave it out" in capsys.readouterr().err


def test_a_run_of_another_task_is_refused(
    trained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["chat", str(trained_run)]) == 2
    assert "holds a run of text, not of translation" in capsys.readouterr().err


def test_a_chatbot_is_judged_by_dialogues_and_answers_those_of_a_file(
    chatbot: Path, dialogues: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["evaluate", str(chatbot), "--data", str(dialogues), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["sentences"], figures["exact_match"]) == (60, 1.0)
    assert main(["translate", str(chatbot), str(dialogues)]) == 0
    assert capsys.readouterr().out == "When?\nIt is booked.\n" * 30


def test_at_a_terminal_there_is_a_prompt_and_an_answer(chatbot: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ostinato.cli", "chat", str(chatbot), "--device", "cpu"]
    talk = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    os.write(ours, b"A table please.\n/quit\n")
    told = talk.communicate(timeout=120)[1].decode()
    assert talk.returncode == 0
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "reads 1 turn before yours; /reset begins a new dialogue, /quit ends" in told
    assert "> " in shown
    assert "When?" in shown
    assert "Traceback" not in told
