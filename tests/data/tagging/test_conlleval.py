"""Accuracy and spans are those that the shared tasks' own script, conlleval, counted."""

import json
from pathlib import Path
from typing import Any

import pytest
from labels_of_cases import Sentence, cases

from ostinato.tasks.tagging.evaluation import TaggingJudgement, score

OFFICIAL: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("conlleval.json").read_text(encoding="utf-8")
)
CASES = dict(cases())
HALF_A_DIGIT = 0.005 + 1e-9
"""The script prints per cent with two decimals."""


def judged(sentences: list[Sentence]) -> TaggingJudgement:
    true, predicted = zip(*sentences, strict=True)
    return score(true, predicted, marked=True)


def test_every_case_has_the_scripts_numbers() -> None:
    assert CASES.keys() == OFFICIAL.keys()


@pytest.mark.parametrize("name", CASES)
def test_figures_are_the_scripts(name: str) -> None:
    figures, official = judged(CASES[name]).figures, OFFICIAL[name]
    assert figures["tokens"] == official["tokens"]
    for ours, theirs in (("span_precision", "precision"), ("span_recall", "recall")):
        assert 100 * figures[ours] == pytest.approx(official[theirs], abs=HALF_A_DIGIT)
    assert 100 * figures["span_f1"] == pytest.approx(official["f1"], abs=HALF_A_DIGIT)


@pytest.mark.parametrize("name", [name for name in OFFICIAL if "accuracy" in OFFICIAL[name]])
def test_accuracy_is_the_scripts(name: str) -> None:
    accuracy = judged(CASES[name]).figures["accuracy"]
    assert 100 * accuracy == pytest.approx(OFFICIAL[name]["accuracy"], abs=HALF_A_DIGIT)


@pytest.mark.parametrize("name", CASES)
def test_spans_of_every_type_are_the_scripts(name: str) -> None:
    spans, official = judged(CASES[name]).spans, OFFICIAL[name]
    assert spans is not None
    counts = (spans.all.true, spans.all.predicted, spans.all.right)
    assert counts == (official["true"], official["predicted"], official["right"])
    assert spans.of_type.keys() == official["types"].keys()
    for kind, (precision, recall, f1, predicted) in official["types"].items():
        own = spans.of_type[kind]
        assert own.predicted == predicted
        found = [100 * figure for figure in (own.precision, own.recall, own.f1)]
        assert found == pytest.approx([precision, recall, f1], abs=HALF_A_DIGIT)
