"""Samples with several labels or none: learnt, told, judged."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from ostinato.errors import DataError
from ostinato.tasks.classification.label_sets import LabelSetJudgement, score_label_sets
from ostinato.tasks.classification.run import ClassificationRun
from ostinato.tasks.classification.task import (
    load_classifier,
    resume,
    train_classification,
)

QUICK = {
    "cell": "gru",
    "hidden_size": 12,
    "embedding_size": 8,
    "batch_size": 16,
    "learning_rate": 1e-2,
    "threads": 1,
    "device": "cpu",
    "separator": "|",
}


def rows(count: int, seed: int) -> list[tuple[str, str]]:
    """Strings of a to f; their labels are which of a, b and c they hold, often none."""
    chance = random.Random(seed)
    texts = ["".join(chance.choices("abcdef", k=chance.randint(2, 6))) for _ in range(count)]
    return [(text, "|".join(sorted(set(text) & set("abc")))) for text in texts]


def write(path: Path, given: list[tuple[str, str]]) -> Path:
    path.write_text("".join(f"{text}\t{label}\n" for text, label in [("text", "label"), *given]))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ClassificationRun:
    folder = tmp_path_factory.mktemp("label-sets")
    data = write(folder / "strings.tsv", rows(800, seed=1))
    return train_classification(
        data=data, run=folder / "run", updates=300, bidirectional=False, **QUICK
    )


def test_each_label_is_told_by_itself(run: ClassificationRun, tmp_path: Path) -> None:
    judged = run.evaluate(write(tmp_path / "test.tsv", rows(200, seed=2)))
    assert judged.figures["exact_match"] > 0.9
    assert judged.figures["micro_f1"] > 0.95
    told = run.predict(["abd", "def", "cc"])
    assert [set(one.labels) for one in told] == [{"a", "b"}, set(), {"c"}]
    assert told[0].probabilities["a"] + told[0].probabilities["b"] > 1


def test_the_run_comes_back_with_its_labels(run: ClassificationRun) -> None:
    assert load_classifier(run.folder, device="cpu").predict(["abd"]) == run.predict(["abd"])
    assert resume(run.folder).evaluate().figures == run.evaluate().figures


def test_early_figures_are_f1_over_all_decisions(run: ClassificationRun) -> None:
    early = run.evaluate_early()
    assert early.measure == "micro_f1"
    assert early.curve[-1][1] == run.evaluate().figures["micro_f1"]
    assert early.curve[0][1] < early.curve[-1][1]


@pytest.mark.parametrize(
    "options", [{"class_weights": "balanced"}, {"label_smoothing": 0.2, "threshold": 0.3}], ids=str
)
def test_options_train_and_come_back(tmp_path: Path, options: dict) -> None:
    data = write(tmp_path / "strings.tsv", rows(60, seed=1))
    run = train_classification(data=data, run=tmp_path / "run", **QUICK | {"updates": 3} | options)
    assert load_classifier(run.folder, device="cpu").predict(["ab"]) == run.predict(["ab"])


def test_figures_are_those_of_their_definitions() -> None:
    true = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0]], bool)
    probabilities = np.array([[0.9, 0.2, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1], [0.8, 0.7, 0.6, 0.1]])
    figures = score_label_sets(true, probabilities, 0.5)
    assert figures["exact_match"] == pytest.approx(1 / 3)
    assert figures["micro_precision"] == pytest.approx(3 / 4)
    assert figures["micro_recall"] == pytest.approx(3 / 4)
    assert figures["micro_f1"] == pytest.approx(3 / 4)
    assert figures["macro_f1"] == pytest.approx((1 + 0 + 1) / 3)
    of_truth = [0.9, 0.2, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8, 0.3, 0.6, 0.9]
    assert figures["nats_per_sample"] == pytest.approx(-np.log(of_truth).sum() / 3)
    judged = LabelSetJudgement(figures, true, probabilities, ("p", "q", "r", "s"), 0.5)
    assert judged.confusion == {
        ("p", "p"): 2,
        ("p", "q"): 1,
        ("p", "r"): 1,
        ("q", "p"): 1,
        ("r", "p"): 1,
        ("r", "q"): 1,
        ("r", "r"): 1,
    }
    assert [(row.name, row.f1, row.count) for row in judged.per_class()] == [
        ("p", 1.0, 2),
        ("q", 0.0, 1),
        ("r", 1.0, 1),
    ]


def test_a_lower_threshold_gives_more_labels() -> None:
    true, probabilities = np.array([[True, False]]), np.array([[0.3, 0.2]])
    assert score_label_sets(true, probabilities, 0.5)["micro_recall"] == 0
    assert score_label_sets(true, probabilities, 0.3)["exact_match"] == 1


def test_lists_of_json_lines_are_labels(tmp_path: Path) -> None:
    lines = [{"text": text, "label": label.split("|")} for text, label in rows(60, seed=1)]
    data = tmp_path / "strings.jsonl"
    data.write_text("\n".join(map(json.dumps, lines)))
    run = train_classification(data=data, run=tmp_path / "run", updates=1, **QUICK)
    assert run.codec.classes == ("a", "b", "c")
    with pytest.raises(DataError, match=r"line 1: 'label' is a list; .*--separator"):
        train_classification(data=data, run=tmp_path / "other", **QUICK | {"separator": None})


def test_a_label_that_never_occurs_in_training_is_named(
    run: ClassificationRun, tmp_path: Path
) -> None:
    data = write(tmp_path / "odd.tsv", [("ab", "a|bb")])
    with pytest.raises(DataError, match="line 2: the class 'bb' never occurs in training"):
        run.evaluate(data)


def test_data_without_any_label_are_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "none.tsv", [("ab", ""), ("b", "")])
    with pytest.raises(DataError, match="no sample has a label"):
        train_classification(data=data, run=tmp_path / "run", validation_fraction=0.0, **QUICK)
