"""Spans are counted as the shared tasks' script counts them, in every scheme of labels."""

import random
from collections.abc import Sequence

import pytest

from ostinato.data.tagging.spans import SpanScore, are_spans, spans_of

# The script's own rules, as pairs of a prefix and the next that begin or end a span of one type.
BEGINS = {"BB", "IB", "OB", "OI", "EE", "EI", "OE"}
ENDS = {"BB", "BO", "IB", "IO", "EE", "EI", "EO"}


def by_the_scripts_pairs(labels: Sequence[str]) -> list[tuple[int, int, str]]:
    """Spans from the script's table of pairs, where a change of type also begins and ends one."""
    found, start = [], 0
    before = ("O", "")
    for place, label in enumerate([*labels, "O"]):
        prefix, _, kind = label.partition("-")
        now, pair = (prefix, kind), before[0] + prefix
        changed = before[1] != kind
        if before[0] != "O" and (pair in ENDS or changed):
            found.append((start, place, before[1]))
        if prefix != "O" and (pair in BEGINS or changed):
            start = place
        before = now
    return found


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("B-NP I-NP O B-VP", [(0, 2, "NP"), (3, 4, "VP")]),
        ("I-NP I-NP B-NP I-NP", [(0, 2, "NP"), (2, 4, "NP")]),  # IOB1
        ("O I-PER I-LOC", [(1, 2, "PER"), (2, 3, "LOC")]),
        ("B-NP I-VP", [(0, 1, "NP"), (1, 2, "VP")]),
        ("B-A I-A E-A S-A B-A E-A", [(0, 3, "A"), (3, 4, "A"), (4, 6, "A")]),  # IOBES
        ("B-A L-A U-A U-A", [(0, 2, "A"), (2, 3, "A"), (3, 4, "A")]),  # BILOU
        ("E-A E-A I-A", [(0, 1, "A"), (1, 2, "A"), (2, 3, "A")]),
        ("O O", []),
        ("B-per-son I-per-son", [(0, 2, "per-son")]),
        ("", []),
    ],
)
def test_spans_of_each_scheme(labels: str, expected: list[tuple[int, int, str]]) -> None:
    assert spans_of(labels.split()) == expected


def test_spans_are_those_of_the_scripts_pairs_for_any_labels() -> None:
    generator = random.Random(0)
    known = ["O", "B-X", "I-X", "B-Y", "I-Y"]
    for _ in range(2000):
        labels = generator.choices(known, k=generator.randint(1, 9))
        assert spans_of(labels) == by_the_scripts_pairs(labels)


def test_f1_of_a_case_counted_by_hand() -> None:
    score = SpanScore()
    # True NP(0,2) VP(2,3) NP(3,5); predicted NP(0,2) VP(2,4) NP(4,5): one of three is right.
    score.add(["B-NP", "I-NP", "B-VP", "B-NP", "I-NP"], ["B-NP", "I-NP", "B-VP", "I-VP", "B-NP"])
    # An I after O opens a span, which a strict reading of IOB2 would not count: NP(1,3) is right.
    score.add(["O", "B-NP", "I-NP", "O"], ["O", "I-NP", "I-NP", "B-PP"])
    assert (score.all.true, score.all.predicted, score.all.right) == (4, 5, 2)
    assert score.all.precision == pytest.approx(2 / 5)
    assert score.all.recall == pytest.approx(2 / 4)
    assert score.all.f1 == pytest.approx(2 * 0.4 * 0.5 / 0.9)
    assert (score.of_type["NP"].true, score.of_type["NP"].right) == (3, 2)
    assert (score.of_type["PP"].predicted, score.of_type["PP"].f1) == (1, 0)


def test_spans_end_with_the_sentence() -> None:
    apart, together = SpanScore(), SpanScore()
    apart.add(["B-A"], ["B-A"])
    apart.add(["I-A"], ["I-A"])
    together.add(["B-A", "I-A"], ["B-A", "I-A"])
    assert (apart.all.right, together.all.right) == (2, 1)


def test_nothing_counts_as_zero() -> None:
    assert (SpanScore().all.precision, SpanScore().all.recall, SpanScore().all.f1) == (0, 0, 0)


def test_labels_of_spans_are_known_from_others() -> None:
    assert are_spans(["O", "B-NP", "S-X"])
    assert not are_spans(["NOUN", "VERB", "O"])
    assert not are_spans(["O", "O"])
    assert not are_spans(["B-NP", "NN"])
