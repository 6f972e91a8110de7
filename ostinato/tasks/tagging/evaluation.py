"""What a tagger says of sentences, and how often it is right."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from ostinato.data.long_lists import ReadOnly
from ostinato.data.tagging.batches import TagBatches, TagWindow
from ostinato.data.tagging.codec import TagCodec
from ostinato.data.tagging.part import TaggedPart, encode_tagged
from ostinato.data.tagging.sentences import Sentence, TaggedText
from ostinato.data.tagging.spans import SpanScore, are_spans
from ostinato.models import Tagger
from ostinato.training.comparison import with_ties_broken
from ostinato.training.device import move_window
from ostinato.xray.labels import LabelFigure, draw_labels

_BATCH_TOKENS, _BATCH_SENTENCES = 8192, 256

Labels = Sequence[str]


@dataclass(frozen=True)
class TaggingJudgement:
    """What a test gave.

    Attributes:
        figures: see `score`.
        confusion: how many tokens have this true and this predicted label.
        spans: of all types and of each; None where the labels mark no spans.
        predicted: the labels of every sentence.
    """

    figures: dict[str, Any]
    confusion: Counter[tuple[str, str]]
    spans: SpanScore | None
    predicted: Sequence[Labels]

    def per_label(self) -> list[LabelFigure]:
        """F1 of each type of spans, or of each label; the most frequent first."""
        if self.spans is not None:
            found = {name: (one.f1, one.true) for name, one in self.spans.of_type.items()}
        else:
            found = _of_labels(self.confusion)
        rows = [LabelFigure(name, f1, count) for name, (f1, count) in found.items()]
        return sorted(rows, key=lambda row: (-row.count, row.name))

    def draw(self, picture: Path, *, title: str = "") -> None:
        """Draw F1 by label and the confusion of labels into a PNG file.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        measure = "F1 of labels" if self.spans is None else "F1 of spans"
        draw_labels(self.per_label(), self.confusion, picture, title=title, measure=measure)


@final
class LabelsOfSentences(ReadOnly[tuple[str, ...]]):
    """The labels of each sentence of a part; in memory a byte or two a token."""

    def __init__(self, part: TaggedPart) -> None:
        self._names = part.codec.labels
        self._starts, self._lengths = part.words.starts, part.words.lengths
        self._indices = np.zeros(part.token_count, np.min_scalar_type(len(self._names)))

    def put_all(self, numbers: Tensor, indices: Tensor) -> None:
        """The indices (batch, time) of the labels of sentences of these numbers (batch,).

        What is behind a sentence's end is not read.
        """
        for number, labels in zip(numbers.tolist(), indices.numpy(force=True), strict=True):
            start, length = self._starts[number], self._lengths[number]
            self._indices[start : start + length] = labels[:length]

    def __len__(self) -> int:
        return len(self._lengths)

    def item(self, number: int) -> tuple[str, ...]:
        start = self._starts[number]
        indices = self._indices[start : start + self._lengths[number]]
        return tuple(self._names[index] for index in indices.tolist())


def predict(
    model: Tagger,
    codec: TagCodec,
    sentences: Sequence[Sentence],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[tuple[str, ...]]:
    """The labels of each sentence, a label a token, in the order given.

    Args:
        model: the tagger; it is used as in evaluation.
        codec: the model's own.
        sentences: their labels are not read.
        progress: called with the tokens done and the tokens in all.
    """
    if not sentences:
        return []
    part = encode_tagged(TaggedText(list(sentences), "the sentences given"), codec)
    found = LabelsOfSentences(part)
    for window, scores in _scored(model, part, progress):
        found.put_all(window.rows, model.choose(scores, window.lengths))
    return list(found)


def evaluate(
    model: Tagger,
    part: TaggedPart,
    text: TaggedText,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> TaggingJudgement:
    """Tag the sentences of `text`, which `part` holds as numbers, and compare."""
    predicted, nats, tokens = LabelsOfSentences(part), 0.0, 0
    for window, scores in _scored(model, part, progress):
        predicted.put_all(window.rows, model.choose(scores, window.lengths))
        nats += _nats(model, window, scores)
        tokens += window.units
    marked = are_spans(part.codec.labels)
    judgement = score((sentence.labels for sentence in text.sentences), predicted, marked=marked)
    judgement.figures["nats_per_token"] = nats / tokens if tokens else math.nan
    return judgement


def score(
    true: Iterable[Labels], predicted: Sequence[Labels], *, marked: bool | None = None
) -> TaggingJudgement:
    """How often labels are the true ones.

    Args:
        true: of each sentence.
        predicted: of each sentence.
        marked: whether labels mark spans, as those of a tagger do also where a file is all
            outside. None: what the true labels look like.

    Returns:
        figures: accuracy, the share of the tokens whose label is right; tokens; and where labels
        mark spans span_f1, span_precision and span_recall, else None each.
    """
    confusion: Counter[tuple[str, str]] = Counter()
    spans = SpanScore()
    for wanted, found in zip(true, predicted, strict=True):
        confusion.update(zip(wanted, found, strict=True))
        spans.add(wanted, found)
    tokens = confusion.total()
    if marked is None:
        marked = are_spans(label for label, _ in confusion)
    right = sum(count for (wanted, found), count in confusion.items() if wanted == found)
    figures = {
        "accuracy": right / tokens,
        "span_f1": spans.all.f1 if marked else None,
        "span_precision": spans.all.precision if marked else None,
        "span_recall": spans.all.recall if marked else None,
        "tokens": tokens,
    }
    return TaggingJudgement(figures, confusion, spans if marked else None, predicted)


def validation(
    held: tuple[TaggedPart, TaggedText] | None,
) -> Callable[[nn.Module], dict[str, Any]] | None:
    """What the trainer calls to validate; None where there is nothing for it.

    The best model is the one that errs least: in spans where labels mark them, else in labels; of
    equally good ones that with the smaller loss.
    """
    if held is None:
        return None

    def validate(model: nn.Module) -> dict[str, Any]:
        assert isinstance(model, Tagger)
        figures = evaluate(model, *held).figures
        told = {name: figure for name, figure in figures.items() if figure is not None}
        nats = figures["nats_per_token"]
        return {
            "nats_per_unit": nats,
            "error": with_ties_broken(1 - told.get("span_f1", figures["accuracy"]), nats),
            **told,
            "unknown_share": held[0].unknown_share,
        }

    return validate


def _of_labels(confusion: Counter[tuple[str, str]]) -> dict[str, tuple[float, int]]:
    """F1 of each label, and how many tokens truly have it."""
    true, found = Counter[str](), Counter[str]()
    for (wanted, given), count in confusion.items():
        true[wanted] += count
        found[given] += count
    return {
        label: (2 * confusion[label, label] / (true[label] + found[label]), true[label])
        for label in true.keys() | found.keys()
    }


@torch.no_grad()
def _scored(
    model: Tagger, part: TaggedPart, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[TagWindow, Tensor]]:
    """Batches of all sentences, the longest last, with the scores of their labels.

    The model is used as in evaluation.
    """
    was_training = model.training
    if was_training:  # telling every part of it takes a while, beside one sentence
        model.eval()
    done = 0
    device = next(model.parameters()).device
    batches = TagBatches(part, tokens=_BATCH_TOKENS, sentences=_BATCH_SENTENCES)
    for index in range(len(batches)):
        window = move_window(batches[index], device)
        inputs, spellings, characters, columns, _, lengths, *_ = window
        yield window, model(inputs, characters, spellings, lengths, columns)
        done += int(lengths.sum())
        if progress is not None:
            progress(done, part.token_count)
    if was_training:
        model.train()


@torch.no_grad()
def _nats(model: Tagger, window: TagWindow, scores: Tensor) -> float:
    """The loss of the sentences that count."""
    losses = model.loss(scores, window.targets, window.lengths).double()
    return float(losses[window.counted[:, 0].to(losses.device)].sum())
