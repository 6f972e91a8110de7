"""Translation as a person chains the commands, on a few date formats."""

import io
import json
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from ostinato.cli.main import main

DAYS = [date(1970, 1, 1) + timedelta(days=97 * number) for number in range(120)]


@pytest.fixture(scope="session")
def dates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dates.source and dates.target in one folder."""
    folder = tmp_path_factory.mktemp("dates")
    formats = ["%d %B %Y", "%m/%d/%y", "%b %d, %Y"]
    sources = [day.strftime(formats[number % 3]) for number, day in enumerate(DAYS)]
    (folder / "dates.source").write_text("\n".join(sources), encoding="utf-8")
    (folder / "dates.target").write_text("\n".join(map(str, DAYS)), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def options(dates: Path) -> list[str]:
    return [
        *("--source", str(dates / "dates.source"), "--target", str(dates / "dates.target")),
        *("--tokens", "characters", "--hidden-size", "8", "--embedding-size", "8"),
        *("--updates", "3", "--device", "cpu", "--threads", "1"),
    ]


@pytest.fixture(scope="session")
def run(options: list[str], dates: Path) -> Path:
    assert main(["train", "translation", *options, "--run", str(dates / "run")]) == 0
    return dates / "run"


@pytest.fixture(scope="session")
def plain_run(options: list[str], dates: Path) -> Path:
    folder = dates / "plain"
    assert main(["train", "translation", *options, "--model", "plain", "--run", str(folder)]) == 0
    return folder


def test_train_tells_pairs_padding_figures_and_what_to_do_next(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "translation", *options, "--run", str(tmp_path / "r")]) == 0
    told = capsys.readouterr()
    assert "118 pairs to train on, 2 to validate on" in told.err
    assert "of a batch is padding" in told.err
    assert "best validation, after update 3" in told.out
    assert f"ostinato translate {tmp_path / 'r'} FILE" in told.out


def test_a_file_and_standard_input_are_translated_alike_line_by_line(
    run: Path, dates: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = dates / "dates.source"
    assert main(["translate", str(run), str(source)]) == 0
    from_file = capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(source.read_bytes())))
    assert main(["translate", str(run), "-"]) == 0
    assert capsys.readouterr().out == from_file
    assert len(from_file.splitlines()) == 120


def test_several_translations_come_with_number_and_score(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "two.txt").write_text("01/02/03\n\n")
    command = ["translate", str(run), str(tmp_path / "two.txt")]
    assert main([*command, "--beam-size", "3", "--best", "2"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["1", "1", "2"]
    assert float(lines[0][1]) >= float(lines[1][1])


def test_translations_are_as_short_and_as_long_as_asked_for(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("1 May 1980\n02/03/71\n")

    def lengths(*options: str) -> set[int]:
        assert main(["translate", str(run), str(lines), *options]) == 0
        return set(map(len, capsys.readouterr().out.splitlines()))

    assert lengths("--minimum-length", "40", "--maximum-length", "40") == {40}
    assert min(lengths("--minimum-length", "60")) >= 60  # beyond what it would have
    assert max(lengths("--maximum-length", "3")) <= 3
    both = ["--minimum-length", "4", "--maximum-length", "3"]
    assert "maximum_length must be at least 4" in refused(
        ["translate", str(run), str(lines), *both], capsys
    )


def test_alignments_are_written_as_pictures_and_as_data(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("ostinato.xray.alignment")
    (tmp_path / "two.txt").write_text("01/02/03\n\n4 May 1980\n")
    folder = tmp_path / "looked"
    command = ["translate", str(run), str(tmp_path / "two.txt"), "--alignments", str(folder)]
    assert main(command) == 0
    names = ["line-1.json", "line-1.png", "line-3.json", "line-3.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    data = json.loads((folder / "line-3.json").read_text())
    assert data["source"] == list("4 May 1980")
    assert len(data["weights"]) == len(data["target"])


def test_evaluate_gives_one_line_of_json_with_the_promised_keys(
    run: Path, dates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--source", str(dates / "dates.source"), "--target", str(dates / "dates.target")]
    capsys.readouterr()
    assert main(["evaluate", str(run), *files, "--json", "--beam-size", "2"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    figures = json.loads(line)
    assert figures.keys() == {"bleu", "chrf", "exact_match", "sentences", "signature"}
    assert figures["sentences"] == 120


def test_evaluate_tells_a_person_also_by_length(
    run: Path, dates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--source", str(dates / "dates.source"), "--target", str(dates / "dates.target")]
    assert main(["evaluate", str(run), *files, "--beam-size", "1"]) == 0
    told = capsys.readouterr().out
    assert "BLEU" in told
    assert "1-10 words: BLEU" in told


def test_resume_of_a_finished_run_trains_nothing(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resume", str(run)]) == 0
    assert "training: 0 updates after 3 done before" in capsys.readouterr().err


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    return capsys.readouterr().err


def test_bad_pairs_are_named_with_file_and_line(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").write_text("eins\nzwei\n")
    (tmp_path / "b").write_text("one\n")
    files = ["--source", str(tmp_path / "a"), "--target", str(tmp_path / "b")]
    told = refused(["train", "translation", *files, "--run", str(tmp_path / "r")], capsys)
    assert f"{tmp_path / 'a'}, line 2 has no counterpart" in told
    assert not (tmp_path / "r").exists()


def test_what_a_run_cannot_do_is_refused(
    run: Path, plain_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = tmp_path / "line.txt"
    line.write_bytes(b"1 May 1980\nM\xfcrz\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    looked = ["--alignments", str(tmp_path / "new")]
    assert "there are no alignments" in refused(
        ["translate", str(plain_run), str(line), *looked], capsys
    )
    assert "must be a new or an empty folder" in refused(
        ["translate", str(run), str(line), "--alignments", str(tmp_path / "full")], capsys
    )
    assert f"{line}, line 2 is not UTF-8" in refused(["translate", str(run), str(line)], capsys)
    assert "no file" in refused(["translate", str(run), str(tmp_path / "none")], capsys)
    assert "give --source FILE and --target FILE" in refused(["evaluate", str(run)], capsys)
    assert "best must be from 1 to beam_size (5), got 9" in refused(
        ["translate", str(run), str(line), "--best", "9"], capsys
    )


def test_options_of_translation_are_refused_for_a_run_of_text(
    trained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(["evaluate", str(trained_run), "--beam-size", "3"], capsys)
    assert "--beam-size is not for runs of text" in told


def test_columns_turn_the_direction_for_training_judging_and_translating(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, other = tmp_path / "p.tsv", tmp_path / "q.tsv"
    table.write_text("eins\tone\nzwei\ttwo\n" * 20)
    other.write_text("one\teins\ntwo\tzwei\n")
    options = [
        *("--data", str(table), "--source-column", "2", "--target-column", "1", "--copy"),
        *("--tokens", "words", "--hidden-size", "16", "--embedding-size", "16"),
        *("--updates", "30", "--learning-rate", "0.03", "--device", "cpu", "--threads", "1"),
    ]
    run = str(tmp_path / "r")
    assert main(["train", "translation", *options, "--run", run]) == 0
    capsys.readouterr()
    assert main(["translate", run, str(table)]) == 0
    assert capsys.readouterr().out == "eins\nzwei\n" * 20
    assert main(["translate", run, str(other), "--source-column", "1"]) == 0
    assert capsys.readouterr().out == "eins\nzwei\n"
    assert main(["evaluate", run, "--data", str(table), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exact_match"] == 1.0
    columns = ["--source-column", "1", "--target-column", "2"]
    assert main(["evaluate", run, "--data", str(other), *columns, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exact_match"] == 1.0
    assert "is for a FILE with columns" in refused(
        ["translate", run, "-", "--source-column", "1"], capsys
    )
    files = ["--source", str(table), "--target", str(table), "--source-column", "1"]
    assert "are for --data" in refused(["evaluate", run, *files], capsys)
