"""Data that lies on disk is trained on and answered as data in memory, in the same order."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from tagged_toys import sentences, write

from ostinato.cli import classification as commands
from ostinato.cli.main import main
from ostinato.data import rows_on_disk
from ostinato.data.classification.batches import SampleBatches
from ostinato.data.pair_part import RaggedTokens
from ostinato.data.rows_on_disk import RowsOnDisk
from ostinato.data.tagging.formats import Layout
from ostinato.data.tagging.reading import read_tagged
from ostinato.data.tagging.sentences import Sentence, Sentences
from ostinato.tasks.classification.settings import ClassificationSettings
from ostinato.tasks.classification.task import prepare, train_classification
from ostinato.tasks.tagging.task import train_tagging

QUICK = {"hidden_size": 6, "updates": 6, "batch_size": 8, "threads": 1, "device": "cpu"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def texts(path: Path, count: int) -> Path:
    chance = random.Random(0)
    rows = ["".join(chance.choices("abcdé", k=chance.randint(2, 9))) for _ in range(count)]
    path.write_text("text\tlabel\n" + "".join(f"{row}\t{'a' in row}\n" for row in rows))
    return path


def long_table(path: Path) -> Path:
    """Rows of the samples in turns, so that no sample stands together."""
    rows = [f"s{n},{t},{n % 2 * t + 0.5},{n % 2}" for t in range(6) for n in range(30)]
    path.write_text("\n".join(["who,t,x,label", *rows]))
    return path


def test_a_classifier_learns_the_same_from_disk(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = [
        (texts(tmp_path / "a.tsv", 60), {}),
        (long_table(tmp_path / "b.csv"), {"series": "who"}),
    ]
    for number, (path, options) in enumerate(data):
        options = {"data": path, **options, **QUICK}
        inside = train_classification(run=tmp_path / f"inside-{number}", **options)
        with monkeypatch.context() as patch:
            patch.setattr(rows_on_disk, "IN_MEMORY_BYTES", 0)
            outside = train_classification(run=tmp_path / f"outside-{number}", **options)
        for name, weights in inside.model.state_dict().items():
            assert torch.equal(outside.model.state_dict()[name], weights)


def test_large_data_is_held_on_disk(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_on_disk, "IN_MEMORY_BYTES", 0)
    settings = ClassificationSettings(data=texts(tmp_path / "a.tsv", 60))
    part = prepare(settings).train
    assert isinstance(part.inputs, RaggedTokens)
    assert isinstance(part.inputs.tokens, RowsOnDisk)
    window = SampleBatches(part, steps=100, samples=8)[0]
    assert window.where.startswith(f"{tmp_path / 'a.tsv'}, line ")


def test_a_tagger_learns_the_same_from_disk(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"data": write(tmp_path / "toys.tsv", sentences(60, seed=1)), **QUICK}
    inside = train_tagging(run=tmp_path / "inside", **options)
    judged = inside.evaluate()
    monkeypatch.setattr(rows_on_disk, "IN_MEMORY_BYTES", 0)
    outside = train_tagging(run=tmp_path / "outside", **options)
    for name, weights in inside.model.state_dict().items():
        assert torch.equal(outside.model.state_dict()[name], weights)
    again = outside.evaluate()
    assert again.figures == judged.figures
    assert list(again.predicted) == list(judged.predicted)


def test_sentences_are_found_as_they_were(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_on_disk, "IN_MEMORY_BYTES", 0)
    kept, wanted = (
        Sentences(),
        [
            Sentence(("a", "b c", "é"), ("X", "Y", "X"), (3, 4, 5)),
            Sentence(("a",), (), (9,), (("N",), ("p q",))),
            Sentence(("a", "b"), ("X", "Y"), (12, 15), (("N", "V"),)),
            Sentence(("a", "b"), (), (7, 7)),
        ],
    )
    for sentence in wanted:
        kept.append(sentence)
    assert list(kept) == wanted


def test_a_file_read_onto_disk_gives_the_sentences_of_the_file(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "toys.tsv", sentences(20, seed=1))
    inside = list(read_tagged(path, Layout("tsv", 1, None)).sentences)
    monkeypatch.setattr(rows_on_disk, "IN_MEMORY_BYTES", 0)
    assert list(read_tagged(path, Layout("tsv", 1, None)).sentences) == inside


@pytest.mark.parametrize("name", ["a.tsv", "b.csv"])
def test_samples_are_answered_in_their_order_however_many_are_read_at_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    path, columns = texts(tmp_path / "a.tsv", 40), []
    if name == "b.csv":
        path, columns = long_table(tmp_path / "b.csv"), ["--series", "who"]
    run = str(tmp_path / "run")
    options = ["--hidden-size", "6", "--updates", "3", "--device", "cpu", "--threads", "1"]
    train = ["train", "classification", "--data", str(path), "--run", run, *columns]
    assert main([*train, *options]) == 0
    capsys.readouterr()
    told = []
    for count in (7, 1000):
        monkeypatch.setattr(commands, "_SAMPLES_AT_ONCE", count)
        assert main(["predict", run, str(path), "--json"]) == 0
        told.append(capsys.readouterr().out)
    few, many = ([json.loads(line)["probability"] for line in one.splitlines()] for one in told)
    np.testing.assert_allclose(few, many, atol=1e-6)
    assert len(few) == (40 if name == "a.tsv" else 30)


def test_answers_come_before_a_mistake_further_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    path, run = texts(tmp_path / "a.tsv", 30), str(tmp_path / "run")
    options = ["--hidden-size", "6", "--updates", "3", "--device", "cpu", "--threads", "1"]
    assert main(["train", "classification", "--data", str(path), "--run", run, *options]) == 0
    path.write_text(path.read_text() + "one\ttwo\tthree\n")
    monkeypatch.setattr(commands, "_SAMPLES_AT_ONCE", 10)
    capsys.readouterr()
    assert main(["predict", run, str(path)]) == 2
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 30
    assert "line 32 has 3 columns" in told.err
