"""Spans of labels, counted as the shared tasks' script conlleval counts them by default.

A label is O (outside), or a prefix and a type as B-NP. A span is a stretch of tokens of one type;
it begins where

    the token before is outside or of another type,
    this token's prefix is B, or S (U)  (begin; single, unit),
    or the prefix before is E (L), or S (U)  (end, last)

and ends before the next outside token or the next beginning. That reads IOB1 (a prefix B only
between two spans of one type), IOB2 and IOBES (BILOU) alike, and gives labels that no scheme
allows, as an I after O, the span that they most likely mean. A predicted span is right where
begin, end and type are those of a true span.

The script itself knows no S, L or U and joins what ends with E to a B behind it: of IOBES and
BILOU, what is counted here are its numbers for the same spans written in IOB2.

Source: Tjong Kim Sang and Buchholz 2000, the shared task CoNLL-2000; its script in default mode.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_OUTSIDE = "O"
_LABEL = re.compile(r"([BIESLU])-(.+)")
_BEGINS, _ENDS = "BSU", "ESLU"


class Span(NamedTuple):
    """Tokens [start, stop) of one type."""

    start: int
    stop: int
    type: str


def are_spans(labels: Iterable[str]) -> bool:
    """Whether these labels are O or prefix and type, at least one of them the latter."""
    several = [label for label in labels if label != _OUTSIDE]
    return bool(several) and all(_LABEL.fullmatch(label) for label in several)


def spans_of(labels: Sequence[str]) -> list[Span]:
    """The spans of one sentence, in order.

    Example:
        >>> spans_of(["B-NP", "I-NP", "B-NP", "O", "I-VP"])
        [Span(start=0, stop=2, type='NP'), Span(start=2, stop=3, type='NP'), \
Span(start=4, stop=5, type='VP')]
    """
    found, start, before = [], 0, ("", "")
    for place, label in enumerate([*labels, _OUTSIDE]):
        now = _parts(label)
        begins = now[1] and _begins(before, now)
        if before[1] and (begins or not now[1]):
            found.append(Span(start, place, before[1]))
        if begins:
            start = place
        before = now
    return found


def _parts(label: str) -> tuple[str, str]:
    """Prefix and type; empty where the label is outside, or is none of spans."""
    matched = _LABEL.fullmatch(label)
    return (matched[1], matched[2]) if matched else ("", "")


def _begins(before: tuple[str, str], now: tuple[str, str]) -> bool:
    return before[1] != now[1] or now[0] in _BEGINS or before[0] in _ENDS


@dataclass
class SpanCounts:
    """How many spans there are, were predicted, and are right."""

    true: int = 0
    predicted: int = 0
    right: int = 0

    @property
    def precision(self) -> float:
        """The share of the predicted that is right; 0 where none was predicted."""
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of the true that was found; 0 where there is none."""
        return self.right / self.true if self.true else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of the two, 0 where both are."""
        both = self.true + self.predicted
        return 2 * self.right / both if both else 0.0


@dataclass
class SpanScore:
    """Counts over many sentences, of all types together and of each.

    Example:
        >>> score = SpanScore()
        >>> score.add(["B-NP", "I-NP", "O"], ["B-NP", "O", "B-VP"])
        >>> score.all.f1, score.of_type["NP"].predicted
        (0.0, 1)
    """

    all: SpanCounts = field(default_factory=SpanCounts)
    of_type: dict[str, SpanCounts] = field(default_factory=dict)

    def add(self, true: Sequence[str], predicted: Sequence[str]) -> None:
        """Count one sentence: its true and its predicted labels, one a token."""
        wanted, found = set(spans_of(true)), set(spans_of(predicted))
        for spans, name in ((wanted, "true"), (found, "predicted"), (wanted & found, "right")):
            for span in spans:
                of_type = self.of_type.setdefault(span.type, SpanCounts())
                for counts in (self.all, of_type):
                    setattr(counts, name, getattr(counts, name) + 1)
