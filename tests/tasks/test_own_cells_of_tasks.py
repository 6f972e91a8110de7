"""A cell of one's own in a tagger and a classifier: trained, resumed and loaded by its name."""

import random
from pathlib import Path

import pytest
import torch
from tagged_toys import sentences, write

from ostinato.cli.main import main
from ostinato.errors import SettingsError
from ostinato.layers import Recurrent
from ostinato.tasks.classification.settings import ClassificationSettings
from ostinato.tasks.classification.task import load_classifier, train_classification
from ostinato.tasks.forecasting.task import load_forecaster, train_forecasting
from ostinato.tasks.recorded_run import read_record
from ostinato.tasks.tagging.settings import TaggingSettings
from ostinato.tasks.tagging.task import load_tagger, train_tagging
from ostinato.tasks.translation.settings import TranslationSettings
from ostinato.tasks.translation.task import load_translator, train_translation

QUICK = {"hidden_size": 8, "updates": 8, "threads": 1, "device": "cpu", "batch_size": 8}


@pytest.fixture
def cell(tmp_path: Path) -> str:
    path = tmp_path / "leaky.py"
    path.write_text("import ostinato\n\n\nclass Leaky(ostinato.RNNCell):\n    pass\n")
    return f"{path}:Leaky"


def strings(path: Path) -> Path:
    chance = random.Random(0)
    rows = ["".join(chance.choices("abcd", k=5)) for _ in range(60)]
    path.write_text("text\tlabel\n" + "".join(f"{row}\t{'a' in row}\n" for row in rows))
    return path


def test_a_tagger_of_ones_own_cell_reads_both_ways(cell: str, tmp_path: Path) -> None:
    data = write(tmp_path / "toys.tsv", sentences(60, seed=1))
    folder = tmp_path / "run"
    run = train_tagging(data=data, run=folder, cell=cell, layers=2, **QUICK)
    layer = run.model.recurrent
    assert isinstance(layer, Recurrent)
    assert layer.bidirectional
    assert type(layer.cells[0]).__name__ == "Leaky"
    assert read_record(folder)["cell"] == cell
    again = load_tagger(folder, cell=cell)
    assert again.tag("Ada can see Rome.") == run.tag("Ada can see Rome.")
    with pytest.raises(SettingsError, match=r"was trained with a cell of your own .* add --cell"):
        load_tagger(folder)
    Path(cell.rpartition(":")[0]).write_text("import ostinato\n")
    with pytest.raises(SettingsError, match="is not the source that"):
        load_tagger(folder, cell=cell)


def test_a_classifier_of_ones_own_cell_equals_the_cell_it_is_made_of(
    cell: str, tmp_path: Path
) -> None:
    options = {"data": strings(tmp_path / "data.tsv"), "bidirectional": False, **QUICK}
    own = train_classification(run=tmp_path / "own", cell=cell, **options)
    built_in = train_classification(run=tmp_path / "rnn", cell="rnn", **options)
    ours, other = own.model.state_dict(), built_in.model.state_dict()
    for name, weights in other.items():
        torch.testing.assert_close(ours[name], weights)
    assert load_classifier(tmp_path / "own", cell=cell).predict(["abc"]) == own.predict(["abc"])


@pytest.mark.parametrize("model", ["plain", "luong", "bahdanau"])
def test_a_translator_of_ones_own_cell(cell: str, tmp_path: Path, model: str) -> None:
    chance = random.Random(0)
    rows = [" ".join(chance.choices("abcd", k=4)) for _ in range(40)]
    data = tmp_path / "pairs.tsv"
    data.write_text("".join(f"{row}\t{row[::-1]}\n" for row in rows))
    kind = {"model": "plain"} if model == "plain" else {"model": "attention", "decoder": model}
    sizes = {"embedding_size": 8, "hidden_size": 8, "layers": 2, "tokens": "words"}
    run = train_translation(data=data, run=tmp_path / "run", cell=cell, **kind, **QUICK | sizes)
    for layer in (run.model.encoder.recurrent, run.model.decoder.recurrent):
        assert isinstance(layer, Recurrent)
        assert type(layer.cells[0]).__name__ == "Leaky"
    again = load_translator(tmp_path / "run", cell=cell)
    assert again.translate(rows[:4]) == run.translate(rows[:4])
    with pytest.raises(SettingsError, match="add --cell"):
        load_translator(tmp_path / "run")


@pytest.mark.parametrize(
    "kind", [{}, {"missing_decay": True}, {"model": "segments"}, {"model": "direct"}], ids=str
)
def test_a_forecaster_of_ones_own_cell(cell: str, tmp_path: Path, kind: dict) -> None:
    data = tmp_path / "table.csv"
    rows = [f"{step % 7},{step % 3 if step % 5 else ''}" for step in range(120)]
    data.write_text("a,b\n" + "\n".join(rows) + "\n")
    options = {"history": 12, "layers": 2, "run": tmp_path / "run", "cell": cell, **kind}
    run = train_forecasting(data, 3, **QUICK | options)
    assert "Leaky" in str(run.network)
    again = load_forecaster(tmp_path / "run", cell=cell).forecast()[0].mean
    assert (again == run.forecast()[0].mean).all()
    with pytest.raises(SettingsError, match="add --cell"):
        load_forecaster(tmp_path / "run")


def test_every_command_takes_the_cell(
    cell: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    data, run = strings(tmp_path / "data.tsv"), str(tmp_path / "run")
    options = ["--hidden-size", "8", "--updates", "4", "--device", "cpu", "--threads", "1"]
    train = ["train", "classification", "--data", str(data), "--cell", cell, "--run", run]
    assert main([*train, *options]) == 0
    assert main(["predict", run, str(data)]) == 2
    assert f"add --cell {cell}" in capsys.readouterr().err
    assert main(["predict", run, str(data), "--cell", cell]) == 0
    assert main(["evaluate", run, "--cell", cell, "--json"]) == 0
    assert main(["resume", run, "--cell", cell, "--device", "cpu"]) == 0
    assert "Leaky" in (tmp_path / "run" / "README.md").read_text()


@pytest.mark.parametrize("task", ["tagging", "classification"])
def test_a_cell_that_is_none_is_refused_before_anything_is_read(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "no.py"
    path.write_text("class Leaky:\n    pass\n")
    train = ["train", task, "--data", "no such file.tsv", "--run", str(tmp_path / "run")]
    assert main([*train, "--cell", f"{path}:Leaky", "--device", "cpu"]) == 2
    assert "must be a subclass of ostinato.Cell" in capsys.readouterr().err


@pytest.mark.parametrize("settings", [TaggingSettings, ClassificationSettings, TranslationSettings])
def test_an_unknown_cell_is_answered_by_the_nearest(settings: type) -> None:
    with pytest.raises(SettingsError, match=r"or FILE.py:Class, got 'lsmt'; did you mean 'lstm'\?"):
        settings(data=Path("a.tsv"), cell="lsmt")
