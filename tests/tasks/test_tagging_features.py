"""More columns beside the tokens: read by name or number, needed again, and worth something."""

import random
from pathlib import Path

import pytest
import torch

from ostinato.cli.main import main
from ostinato.data.tagging.formats import layout_of
from ostinato.data.tagging.reading import read_tagged
from ostinato.data.tagging.sentences import Sentence
from ostinato.errors import DataError, SettingsError, ShapeError
from ostinato.models import ColumnFeatures
from ostinato.tasks.tagging.task import load_tagger, train_tagging

QUICK = {
    "hidden_size": 8,
    "embedding_size": 6,
    "characters": "ignored",
    "batch_size": 16,
    "learning_rate": 3e-2,
    "dropout": 0.0,
    "threads": 1,
    "device": "cpu",
}
CONLLU = (
    "1\tWe\twe\tPRON\tPRP\tNumber=Plur\t2\tnsubj\t_\t_\n2\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_\n"
)


def write(path: Path, count: int, seed: int) -> Path:
    """Tokens that say nothing; the second column tells the label, the third is noise."""
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        for _ in range(chance.randint(1, 6)):
            tag = chance.choice("xyz")
            rows.append(f"{chance.choice('abc')} {tag} {chance.choice('pq')} {tag.upper()}")
        rows.append("")
    path.write_text("\n".join(rows))
    return path


def test_a_column_that_tells_the_label_is_read(tmp_path: Path) -> None:
    data = write(tmp_path / "train.conll", 120, seed=1)
    test = write(tmp_path / "test.conll", 40, seed=2)
    options = QUICK | {"data": data, "updates": 60}
    run = train_tagging(run=tmp_path / "run", features=("2", "3"), **options)
    assert run.evaluate(test).figures["accuracy"] == 1
    blind = train_tagging(run=tmp_path / "blind", **options)
    assert blind.evaluate(test).figures["accuracy"] < 0.6
    again = load_tagger(tmp_path / "run")
    sentence = Sentence(("a", "b"), (), (1, 1), (("z", "x"), ("p", "never met")))
    assert again.tag_sentences([sentence]) == [("Z", "X")]
    with pytest.raises(DataError, match=r"reads 2 more columns of features .* here are 0"):
        again.tag("a b")


def test_columns_of_conllu_have_names_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text(CONLLU)
    for features in (("xpos", "FEATS"), ("5", "6")):
        layout = layout_of(path, features=features)
        (only,) = read_tagged(path, layout).sentences
        assert only.features == (("PRP", "VB"), ("Number=Plur", "_"))


@pytest.mark.parametrize(
    ("name", "features", "message"),
    [
        ("a.conllu", ("xpso",), r"features must be one of CoNLL-U's .*did you mean 'xpos'\?"),
        ("a.conllu", ("upos",), "features names column 4, which holds the labels"),
        ("a.conllu", ("form",), "features names column 2, which holds the tokens"),
        ("a.conllu", ("xpos", "5"), "features names column 5 twice"),
        ("a.conll", ("pos",), "features must be the number of a column"),
    ],
)
def test_columns_that_cannot_be_features_are_refused(
    name: str, features: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        layout_of(Path(name), features=features)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (("3",), "line 1: column 3 is the last and holds the labels"),
        (("4",), "line 1 has 3 columns, and at least 4 are needed"),
    ],
)
def test_columns_that_are_not_there_are_named_with_their_line(
    tmp_path: Path, features: tuple[str, ...], message: str
) -> None:
    path = tmp_path / "a.conll"
    path.write_text("a x A\n")
    with pytest.raises(DataError, match=message):
        read_tagged(path, layout_of(path, features=features))


def test_an_empty_feature_is_named_with_its_column(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("a\tx\tA\nb\t \tA\n")
    with pytest.raises(DataError, match="line 2, column 2: the feature is empty"):
        read_tagged(path, layout_of(path, features=("2",)))


def test_the_commands_read_the_columns_and_say_when_they_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    data, run = write(tmp_path / "train.conll", 30, seed=1), str(tmp_path / "run")
    options = ["--hidden-size", "4", "--updates", "4", "--device", "cpu", "--threads", "1"]
    train = ["train", "tagging", "--data", str(data), "--run", run, "--features", "2", "3"]
    assert main([*train, *options]) == 0
    capsys.readouterr()
    assert main(["tag", run, str(data)]) == 0
    rows = [line.split()[0] for line in data.read_text().splitlines() if line]
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines() if line] == rows
    assert main(["evaluate", run, "--json"]) == 0
    assert main(["tag", run, "-"]) == 2
    assert "reads the columns 2 3 beside each token" in capsys.readouterr().err
    (tmp_path / "other.conllu").write_text(CONLLU)
    assert main(["evaluate", run, "--data", str(tmp_path / "other.conllu")]) == 2
    assert "reads the columns 2 3 of columns files" in capsys.readouterr().err
    other = ["train", "tagging", "--data", str(data), "--initial-weights", run, *options]
    assert main([*other, "--run", str(tmp_path / "other")]) == 2
    assert "features is 2 3 in" in capsys.readouterr().err
    assert main(["train", "tagging", "--data", str(data), "--feature-size", "3"]) == 2
    assert "feature_size is for more columns beside the tokens" in capsys.readouterr().err


def test_values_are_looked_up_column_by_column_and_rare_ones_are_unknown_in_training() -> None:
    torch.manual_seed(0)
    model = ColumnFeatures([(1, 1, 1), (1, 1, 5, 1)], 2, word_dropout=1e9).eval()
    columns = torch.tensor([[[2, 3], [1, 0]]])
    first, second = (embedding.weight for embedding in model.embeddings)
    expected = torch.stack([torch.cat([first[2], second[3]]), torch.cat([first[1], second[0]])])
    assert torch.equal(model(columns)[0], expected)
    unknown = torch.cat([first[1], second[1]])
    assert torch.equal(model.train()(columns)[0], torch.stack([unknown, unknown]))
    with pytest.raises(ShapeError, match=r"columns must be \(batch, time, 2\)"):
        model(columns[..., :1])
    with pytest.raises(SettingsError, match="each column needs at least 2 values"):
        ColumnFeatures([], 2)
