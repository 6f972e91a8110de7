"""`ostinato train classification`, `predict`, `evaluate` and `resume` as a person types them."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from ostinato.cli.main import main

QUICK = ["--hidden-size", "8", "--updates", "6", "--device", "cpu", "--threads", "1"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "names.csv"
    rows = [f"{name}{number % 7},{kind}" for number in range(30) for name, kind in NAMES]
    path.write_text("\n".join(["name,kind", *rows]) + "\n")
    return path


NAMES = (("papadopoulos", "greek"), ("daly", "irish"), ("kim", "korean"))


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "names"
    options = ["--data", str(table), "--label", "kind", "--no-bidirectional", "--run", str(folder)]
    assert main(["train", "classification", *options, *QUICK]) == 0
    return folder


def test_a_class_and_its_probability_are_printed_a_line_a_sample(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = tmp_path / "new.txt"
    file.write_text("daly\nkim\n")
    capsys.readouterr()
    assert main(["predict", str(run), str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    labels, probabilities = zip(*(line.split("\t") for line in lines), strict=True)
    assert set(labels) <= {"greek", "irish", "korean"}
    assert all(1 / 3 <= float(probability) <= 1 for probability in probabilities)


def test_a_table_without_classes_is_read_by_the_runs_own_column(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = tmp_path / "new.csv"
    file.write_text("number,name\n1,daly\n2,kim\n")
    assert main(["predict", str(run), str(file), "--json"]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one.keys() for one in objects] == [{"label", "probability", "probabilities"}] * 2
    assert sum(objects[0]["probabilities"].values()) == pytest.approx(1)


def test_standard_input_is_a_text_a_line(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    stream = SimpleNamespace(buffer=io.BytesIO(b"daly\nkim\nlee\n"))
    monkeypatch.setattr("sys.stdin", stream)
    assert main(["predict", str(run), "-"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_every_step_has_a_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = tmp_path / "new.txt"
    file.write_text("kim\nab\n")
    assert main(["predict", str(run), str(file), "--every-step"]) == 0
    lines = [line.split("\t")[:2] for line in capsys.readouterr().out.splitlines()]
    assert lines == [["1", "1"], ["1", "2"], ["1", "3"], ["2", "1"], ["2", "2"]]


@pytest.fixture(scope="module")
def series_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    rows = [f"0,1,{n}:{n},0,0:{'ab'[n % 2]}" for n in range(20)]
    data = folder / "small.ts"
    data.write_text("\n".join(["@classLabel true a b", "@data", *rows]))
    options = ["--data", str(data), "--no-bidirectional", "--run", str(folder / "run"), *QUICK]
    assert main(["train", "classification", *options]) == 0
    return folder / "run"


def test_live_steps_are_answered_a_line_each(
    series_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    whole, steps = tmp_path / "whole.ts", tmp_path / "steps.txt"
    whole.write_text("@classLabel false\n@data\n1,2,3:4,5,6\n7,8:9,0\n")
    steps.write_text("1,4\n2 5\n3\t6\n\n\n7; 9\n8, 0\n")
    capsys.readouterr()
    assert main(["predict", str(series_run), str(whole), "--every-step"]) == 0
    expected = capsys.readouterr().out
    assert main(["predict", str(series_run), str(steps), "--live"]) == 0
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1", "line 2 holds 1 numbers, and a step has 2: dimension 1, dimension 2"),
        ("1,x", "line 2, column dimension 2: 'x' is no number"),
    ],
)
def test_a_live_step_that_cannot_be_read_is_named(
    series_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture, line: str, message: str
) -> None:
    steps = tmp_path / "steps.txt"
    steps.write_text(f"1,2\n{line}\n")
    assert main(["predict", str(series_run), str(steps), "--live"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--live", "--every-step"], "give no --every-step with it"),
        (["--live", "--format", "ts"], "give no --format with it"),
        (["--threshold", "0.3"], "--threshold is for runs with several labels"),
        (["--threshold", "1.3"], "threshold"),
    ],
)
def test_options_of_predict_that_do_not_go_together_are_refused(
    series_run: Path, capsys: pytest.CaptureFixture, options: list[str], message: str
) -> None:
    assert main(["predict", str(series_run), "-", *options]) == 2
    assert message in capsys.readouterr().err


def test_labels_are_printed_as_the_data_has_them(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    data = tmp_path / "songs.csv"
    data.write_text("text,label\n" + "ab,sad|slow\nb,\na,sad\n" * 10)
    folder = tmp_path / "run"
    options = ["--data", str(data), "--separator", "|", "--run", str(folder), *QUICK]
    assert main(["train", "classification", *options]) == 0
    capsys.readouterr()
    assert main(["predict", str(folder), str(data), "--threshold", "0.0001"]) == 0
    labels, chances = capsys.readouterr().out.splitlines()[0].split("\t")
    assert set(labels.split("|")) == {"sad", "slow"}
    assert len(chances.split("|")) == 2
    assert main(["predict", str(folder), str(data), "--threshold", "0.9999"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "\t"
    assert main(["predict", str(folder), str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0]).keys() == {"labels", "probabilities"}
    assert main(["evaluate", str(folder), "--data", str(data), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert list(figures) == ["exact_match", "micro_f1", "macro_f1", "samples"]
    assert main(["evaluate", str(folder)]) == 0
    assert "micro F1" in capsys.readouterr().out


def test_evaluate_prints_its_four_keys_and_draws(
    run: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    figure = tmp_path / "classes.png"
    options = ["--data", str(table), "--json", "--figure", str(figure)]
    assert main(["evaluate", str(run), *options]) == 0
    told = capsys.readouterr()
    assert all(f"classes{end}.png" in told.err for end in ("", "-calibration", "-early"))
    figures = json.loads(told.out)
    assert list(figures) == ["accuracy", "balanced_accuracy", "macro_f1", "samples"]
    assert figures["samples"] == 90
    assert figure.is_file()
    assert (tmp_path / "classes-calibration.png").is_file()
    assert (tmp_path / "classes-early.png").is_file()


def test_evaluate_for_a_person_names_each_class_and_the_early_accuracy(
    run: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["evaluate", str(run)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("validation part: ")
    assert "korean" in told
    assert "accuracy early:" in told
    assert "needed: " in told


def test_columns_of_a_long_table_go_by_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    steps = [(sample, step) for sample in range(12) for step in range(3)]
    rows = [f"{s},{'ab'[s % 2]},{s % 2 + t},{5 - t}" for s, t in steps]
    other = [f"{s},{5 - t},{7 * t},{s % 2 + t}" for s, t in steps]
    train, same, turned = (tmp_path / name for name in ("train.csv", "same.csv", "turned.csv"))
    train.write_text("\n".join(["id,label,x,y", *rows]))
    same.write_text("\n".join(["id,x,y", *(row[:2] + row[4:] for row in rows[:30])]))
    turned.write_text("\n".join(["id,y,hour,x", *other[:30]]))
    words = ["train", "classification", "--data", str(train), "--series", "id", "--updates", "2"]
    small = ["--hidden-size", "4", "--threads", "1", "--run", str(tmp_path / "run")]
    assert main([*words, *small]) == 0
    capsys.readouterr()
    printed = []
    for file in (same, turned):
        assert main(["predict", str(tmp_path / "run"), str(file), "--json"]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    turned.write_text("\n".join(["id,x,yy,hour", *other]))
    assert main(["predict", str(tmp_path / "run"), str(turned)]) == 2
    assert "has no column 'y', which the model was trained with" in capsys.readouterr().err


def test_resume_and_runs_know_the_task(run: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["resume", str(run), "--device", "cpu"]) == 0
    assert "ostinato predict" in capsys.readouterr().out
    assert main(["runs", str(run.parent)]) == 0
    assert "classification" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,kind\ndaly,irich\n", "line 2: the class 'irich' never occurs in training"),
        ("nam,kind\ndaly,irish\n", "names no column 'name' (--text)"),
        ("name,kind\ndaly\n", "line 2 has 1 columns"),
    ],
)
def test_a_mistake_in_a_file_ends_in_one_message(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture, content: str, message: str
) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(content)
    assert main(["evaluate", str(run), "--data", str(file)]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told


def test_an_unknown_column_is_answered_by_the_nearest(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    options = ["--data", str(table), "--label", "knd", "--run", str(tmp_path / "run")]
    assert main(["train", "classification", *options]) == 2
    assert "did you mean 'kind'?" in capsys.readouterr().err


def test_a_table_for_a_run_of_ts_files_says_which_format_it_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    data, table, folder = tmp_path / "a.ts", tmp_path / "b.csv", tmp_path / "run"
    data.write_text("@classLabel true a b\n@data\n" + "1,2:a\n3,4:b\n" * 10)
    table.write_text("t0,t1\n1,2\n")
    options = ["--data", str(data), "--run", str(folder)]
    assert main(["train", "classification", *options, *QUICK]) == 0
    capsys.readouterr()
    assert main(["predict", str(folder), str(table)]) == 2
    assert "say --format wide for a series a row" in capsys.readouterr().err
    assert main(["predict", str(folder), str(table), "--format", "wide"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_path_that_is_not_there_is_said_to_be_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["train", "classification", "--data", str(tmp_path / "none")]) == 2
    assert "there is no file or folder" in capsys.readouterr().err
