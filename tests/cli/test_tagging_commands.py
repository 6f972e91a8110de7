"""Tagging as a person chains the commands, on a few sentences."""

import io
import json
import sys
from pathlib import Path

import pytest

from ostinato.cli.main import main

SENTENCES = [
    [("Ada", "B-PER"), ("sees", "O"), ("New", "B-LOC"), ("York", "I-LOC"), (".", "O")],
    [("Rome", "B-LOC"), ("sleeps", "O")],
    [("Bo", "B-PER"), ("Boson", "I-PER"), ("left", "O"), ("Rome", "B-LOC")],
] * 10


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tagging") / "train.tsv"
    text = "\n\n".join("\n".join("\t".join(row) for row in rows) for rows in SENTENCES)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def options(data: Path) -> list[str]:
    return [
        *("--data", str(data), "--hidden-size", "8", "--embedding-size", "8"),
        *("--updates", "3", "--device", "cpu", "--threads", "1"),
    ]


@pytest.fixture(scope="session")
def run(options: list[str], data: Path) -> Path:
    folder = data.parent / "run"
    assert main(["train", "tagging", *options, "--run", str(folder)]) == 0
    return folder


def tagged(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The tokens of each sentence that `ostinato tag` prints; every row has a label."""
    capsys.readouterr()
    assert main(["tag", *arguments]) == 0
    blocks = capsys.readouterr().out.removesuffix("\n").split("\n\n")
    rows = [[row.split("\t") for row in block.split("\n")] for block in blocks]
    assert all(label in ("O", "B-PER", "I-PER", "B-LOC", "I-LOC") for b in rows for _, label in b)
    return [[token for token, _ in block] for block in rows]


def test_train_tells_what_was_read_figures_and_what_to_do_next(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "tagging", *options, "--run", str(tmp_path / "r")]) == 0
    told = capsys.readouterr()
    assert "27 sentences" in told.err
    assert "5 labels" in told.err
    assert "span F1" in told.err
    assert "best validation, after update" in told.out
    assert f"ostinato tag {tmp_path / 'r'} FILE" in told.out


def test_several_seeds_give_mean_and_deviation(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["--run", str(tmp_path / "r"), "--seeds", "2", "--seed", "5"]
    assert main(["train", "tagging", *options, *run]) == 0
    told = capsys.readouterr().out
    assert "seed 6:" in told
    assert "validation span_f1 of 2 runs: mean" in told


def test_running_text_of_a_file_and_of_standard_input_is_tagged_alike(
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "Ada sees Rome.\n\n  Bo left\n"
    (tmp_path / "text.txt").write_text(text)
    expected = [["Ada", "sees", "Rome", "."], ["Bo", "left"]]
    assert tagged([str(run), str(tmp_path / "text.txt")], capsys) == expected
    for arguments in ([str(run)], [str(run), "-"]):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert tagged(arguments, capsys) == expected


def test_files_with_columns_and_tokens_are_read_as_they_are(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = [[token for token, _ in rows] for rows in SENTENCES[:2]]
    (tmp_path / "a.tsv").write_text("\n\n".join("\n".join(rows) for rows in tokens))
    assert tagged([str(run), str(tmp_path / "a.tsv")], capsys) == tokens
    (tmp_path / "a.txt").write_text("\n".join(" ".join(rows) for rows in tokens))
    assert tagged([str(run), str(tmp_path / "a.txt"), "--format", "tokens"], capsys) == tokens
    (tmp_path / "a.conllu").write_text(
        "# c\n1\tAda\t_\t_\t_\t_\t_\t_\t_\t_\n1-2\tx\t_\t_\t_\t_\t_\t_\t_\t_\n"
    )
    assert tagged([str(run), str(tmp_path / "a.conllu")], capsys) == [["Ada"]]
    (tmp_path / "b.txt").write_text("1 Ada\n2 left\n")
    columns = ["--format", "columns", "--token-column", "2"]
    assert tagged([str(run), str(tmp_path / "b.txt"), *columns], capsys) == [["Ada", "left"]]


def test_what_was_tagged_can_be_read_as_data(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["tag", str(run), str(data)]) == 0
    (tmp_path / "own.tsv").write_text(capsys.readouterr().out)
    assert main(["evaluate", str(run), "--data", str(tmp_path / "own.tsv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == 1.0


def test_evaluate_gives_one_line_of_json_with_the_promised_keys(
    run: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["evaluate", str(run), "--data", str(data), "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    figures = json.loads(line)
    assert list(figures) == ["accuracy", "span_f1", "span_precision", "span_recall", "tokens"]
    assert figures["tokens"] == 110


def test_evaluate_tells_a_person_each_type_and_draws_it(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "labels.png"
    assert main(["evaluate", str(run), "--figure", str(picture)]) == 0
    ended = capsys.readouterr()
    told = ended.out
    assert f"picture: {picture}" in ended.err
    assert "validation part: span F1" in told
    assert "LOC  F1" in told
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_labels_that_mark_no_spans_have_none_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, folder = tmp_path / "tags.tsv", tmp_path / "run"
    data.write_text("a\tDET\ndog\tNOUN\n\n" * 9)
    size = ["--hidden-size", "4", "--updates", "1", "--device", "cpu", "--threads", "1"]
    assert main(["train", "tagging", "--data", str(data), "--run", str(folder), *size]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(folder), "--data", str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["span_f1"] is None
    assert main(["evaluate", str(folder)]) == 0
    assert "span" not in capsys.readouterr().out
    assert main(["runs", str(tmp_path)]) == 0
    assert "of the labels" in capsys.readouterr().out


def test_resume_of_a_finished_run_trains_nothing(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resume", str(run)]) == 0
    assert "training: 0 updates after 3 done before" in capsys.readouterr().err


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    return capsys.readouterr().err


def test_bad_data_is_named_with_file_and_line_and_leaves_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.tsv").write_text("a\tX\nb\n")
    folder = tmp_path / "r"
    command = ["train", "tagging", "--data", str(tmp_path / "bad.tsv"), "--run", str(folder)]
    assert f"{tmp_path / 'bad.tsv'}, line 2 has 1 column" in refused(command, capsys)
    assert not folder.exists()
    command[3] = str(tmp_path / "none.tsv")
    assert "there is no file" in refused(command, capsys)


def test_what_cannot_be_tagged_is_refused(
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "bad.txt").write_bytes(b"Rome\nM\xfcrz\n")
    bad = str(tmp_path / "bad.txt")
    assert f"{bad}, line 2 is not UTF-8" in refused(["tag", str(run), bad], capsys)
    assert "there is no file" in refused(["tag", str(run), str(tmp_path / "none")], capsys)
    (tmp_path / "empty.txt").touch()
    assert "is empty" in refused(["tag", str(run), str(tmp_path / "empty.txt")], capsys)
    columns = ["--format", "text", "--token-column", "2"]
    assert "token_column is for files with columns" in refused(["tag", str(run), *columns], capsys)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\n\xff\n")))
    assert "standard input, line 2 is not UTF-8" in refused(["tag", str(run)], capsys)


def test_options_of_other_tasks_are_refused(
    run: Path, trained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(["evaluate", str(run), "--part", "test"], capsys)
    assert "--part is not for runs of tagging" in told
    told = refused(["evaluate", str(trained_run), "--figure", "x.png"], capsys)
    assert "--figure is not for runs of text" in told
    assert "give one file of sentences" in refused(
        ["evaluate", str(run), "--data", "a.tsv", "b.tsv"], capsys
    )
