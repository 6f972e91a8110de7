"""How samples become numbers, and numbers classes."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.data.classification.feature_places import places_of
from ostinato.data.classification.samples import Samples
from ostinato.data.classification.steps import RaggedSteps, fold_steps
from ostinato.data.line_codec import LineCodec, learn_codec
from ostinato.data.long_lists import Runs
from ostinato.data.pair_part import RaggedTokens
from ostinato.data.rows_on_disk import RowsWriter
from ostinato.data.tagging.running_text import words_of
from ostinato.data.tokenisers import TokeniserSettings, load_tokeniser
from ostinato.errors import DataError
from ostinato.names import nearest

CLASSES = "classes.json"
_SAMPLES_AT_ONCE = 1024


@dataclass(frozen=True)
class TextCodec:
    """Texts as tokens.

    Args:
        lines: the tokeniser.
        lowercase: read all letters as small ones.
        part_marks: tell words from the punctuation marks beside them first.
    """

    lines: LineCodec
    lowercase: bool = False
    part_marks: bool = False

    @property
    def features(self) -> tuple[str, ...]:
        """Texts have none."""
        return ()

    def encode(self, samples: Samples) -> RaggedTokens:
        """The tokens of all texts.

        Raises:
            DataError: a text without a token.
        """
        writer, counts = RowsWriter(self.lines.tokeniser.dtype), []
        texts = (self.prepared(str(text)) for text in samples.inputs)
        for tokens, some in self.lines.encode_some(texts):
            writer.append(tokens)
            counts.append(some)
        lengths = np.concatenate(counts)
        empty = np.flatnonzero(lengths == 0)
        if len(empty):
            raise DataError(f"{samples.place(int(empty[0]))}: the text is empty")
        return RaggedTokens(writer.finish(), np.cumsum(lengths) - lengths, lengths)

    def encode_piece(self, piece: str) -> NDArray[np.int64]:
        """The tokens of a piece of a text, white space at its ends included."""
        prepared = self.prepared(piece) if self.part_marks else piece
        tokens, _ = self.lines.encode([prepared.lower() if self.lowercase else prepared])
        return tokens.astype(np.int64)

    def prepared(self, text: str) -> str:
        """The text as the tokeniser reads it."""
        return _prepared(text, self.lowercase, self.part_marks)


@dataclass(frozen=True)
class SeriesCodec:
    """Series of numbers, each feature scaled by what was seen in training.

    A value that is missing becomes 0, the mean, and where training had missing values each feature
    has another beside it: 1 where its value is missing, else 0.

    Args:
        features: what the numbers of a step are, by name.
        mean, deviation: of each feature over all steps of the training samples.
        missing: whether there were missing values.
        fold: steps read as one.
        order: where each step that is read stands in the sample, of samples that all have as many.
            None: as they stand.
    """

    features: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    missing: bool = False
    fold: int = 1
    order: tuple[int, ...] | None = None

    @property
    def width(self) -> int:
        """Numbers of a step, as the model reads it."""
        return len(self.features) * (2 if self.missing else 1) * self.fold

    def encode(self, samples: Samples) -> RaggedSteps:
        """The steps of all series.

        Raises:
            DataError: other features than in training, or missing values where it had none.
        """
        places = places_of(self.features, samples.features, samples.name)
        runs = Runs(np.float32, (self.width,))
        for number, series in enumerate(samples.inputs):
            assert not isinstance(series, str)
            try:
                runs.append(self.encode_series(series if places is None else series[:, places]))
            except DataError as problem:
                raise DataError(f"{samples.place(number)}{problem}") from None
        return RaggedSteps(runs.rows, runs.starts, runs.lengths)

    def encode_series(self, series: NDArray[np.float32]) -> NDArray[np.float32]:
        """The steps of one series (time, feature) as the model reads them (time, width).

        Raises:
            DataError: see `encode`; what is wrong, to stand behind the place of the series.
        """
        if series.shape[1] != len(self.features):
            raise DataError(
                f": a step has {series.shape[1]} numbers, and {len(self.features)} in training "
                f"({', '.join(self.features[:8])})"
            )
        if self.order is not None:
            series = self._ordered(series)
        mean, deviation = self._scaling
        scaled = (series - mean) / deviation
        unknown = np.isnan(scaled)
        if self.missing:
            scaled = np.concatenate([np.where(unknown, 0, scaled), unknown], 1)
        elif unknown.any():
            step, feature = np.argwhere(unknown)[0].tolist()
            raise DataError(
                f": {self.features[feature]!r} is missing at step {step + 1}, and no value was "
                "missing in training"
            )
        return fold_steps(scaled.astype(np.float32, copy=False), self.fold)

    @cached_property
    def _scaling(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return np.array(self.mean, np.float32), np.array(self.deviation, np.float32)

    def _ordered(self, series: NDArray[np.float32]) -> NDArray[np.float32]:
        assert self.order is not None
        if len(series) != len(self.order):
            raise DataError(
                f" has {len(series)} steps, but the model reads {len(self.order)} in a fixed order"
            )
        return series[list(self.order)]


InputCodec = TextCodec | SeriesCodec


@dataclass(frozen=True)
class SampleCodec:
    """How samples become numbers, and numbers classes.

    Args:
        inputs: of the texts or series.
        classes: by name, in their order; index i is class i.
        counts: how many training samples each has.
        samples: how many of them there were.
        separator: between the labels of a sample that can have several or none. None: each has one
            class.
    """

    inputs: InputCodec
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    samples: int
    separator: str | None = None

    def truth(self, samples: Samples) -> NDArray[np.int64] | NDArray[np.bool_]:
        """The index of each sample's class (samples,), or where it can have several labels whether
        it has each (samples, classes).

        Samples that were read without classes get 0.

        Raises:
            DataError: a class that never occurs in training.
        """
        if self.separator is None:
            return self._indices(samples)
        there = np.zeros((len(samples), len(self.classes)), bool)
        for number, label in enumerate(samples.labels):
            for name in labels_of(label, self.separator):
                there[number, self._index(name, samples, number)] = True
        return there

    def _indices(self, samples: Samples) -> NDArray[np.int64]:
        if not samples.labels:
            return np.zeros(len(samples), np.int64)
        numbered = enumerate(samples.labels)
        indices = (self._index(name, samples, number) for number, name in numbered)
        return np.fromiter(indices, np.int64, len(samples))

    def _index(self, name: str, samples: Samples, number: int) -> int:
        index = self._places.get(name)
        if index is None:
            raise DataError(
                f"{samples.place(number)}: the class {name!r} never occurs in training; the "
                f"classes are {_told(self.classes)}" + nearest(name, self.classes)
            )
        return index

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.classes)}

    def save(self, folder: Path) -> None:
        """Write it into a run's folder."""
        content: dict = {
            "classes": self.classes,
            "counts": self.counts,
            "samples": self.samples,
            "separator": self.separator,
        }
        if isinstance(self.inputs, TextCodec):
            self.inputs.lines.tokeniser.save(folder)
            content["text"] = {
                "lowercase": self.inputs.lowercase,
                "part_marks": self.inputs.part_marks,
            }
        else:
            content["series"] = asdict(self.inputs)
        text = json.dumps(content, ensure_ascii=False, indent=1)
        (folder / CLASSES).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "SampleCodec":
        """The codec of a run."""
        content = json.loads((folder / CLASSES).read_text(encoding="utf-8"))
        if "text" in content:
            inputs: InputCodec = TextCodec(LineCodec(load_tokeniser(folder)), **content["text"])
        else:
            series = content["series"]
            lists = {name: tuple(series[name]) for name in ("features", "mean", "deviation")}
            order = series.get("order")
            kept = {"order": None if order is None else tuple(order)}
            inputs = SeriesCodec(**{**series, **lists, **kept})
        counts = tuple(content["counts"])
        # Runs from before several labels have a class a sample.
        return cls(
            inputs,
            tuple(content["classes"]),
            counts,
            content.get("samples", sum(counts)),
            content.get("separator"),
        )


def learn_sample_codec(
    samples: Samples, inputs: InputCodec, separator: str | None = None
) -> SampleCodec:
    """The classes of the training samples, in the order of their names.

    Args:
        samples: those to train on.
        inputs: of the texts or series.
        separator: between the labels of a sample. None: each has one class.

    Raises:
        DataError: fewer than two classes; of samples with several labels, none at all.
    """
    if separator is None:
        counts = Counter(samples.labels)
    else:
        counts = Counter(name for label in samples.labels for name in labels_of(label, separator))
        if not counts:
            raise DataError(f"{samples.name}: no sample has a label; is this the right column?")
    if len(counts) < 2 and separator is None:
        raise DataError(
            f"{samples.name} has one class only, {samples.labels[0]!r}: there is nothing to tell "
            "apart; is this the right column?"
        )
    classes = tuple(sorted(counts, key=_order))
    numbers = tuple(counts[name] for name in classes)
    return SampleCodec(inputs, classes, numbers, len(samples), separator)


def labels_of(cell: str, separator: str) -> list[str]:
    """The labels in a cell, each once: `sad | slow` holds two, an empty cell none."""
    names = (name.strip() for name in cell.split(separator))
    return list(dict.fromkeys(name for name in names if name))


def learn_text_codec(
    samples: Samples, tokeniser: TokeniserSettings, *, lowercase: bool, part_marks: bool
) -> TextCodec:
    """The vocabulary of the training texts."""
    texts = (_prepared(str(text), lowercase, part_marks) for text in samples.inputs)
    return TextCodec(learn_codec(tokeniser, texts), lowercase, part_marks)


def learn_series_codec(
    samples: Samples, *, scale: bool, fold: int, permutation: int | None = None
) -> SeriesCodec:
    """Mean and deviation of each feature over the training samples.

    Args:
        samples: those to train on.
        scale: whether to scale by them.
        fold: steps read as one.
        permutation: seed of a fixed order in which the steps of each sample are read. None: as they
            stand.

    Raises:
        DataError: a feature that has no value at all; samples of different length, to be read in
            a fixed order.
    """
    moments = _moments(samples)
    never = np.flatnonzero(moments.known == 0)
    if len(never):
        raise DataError(f"{samples.name}: {samples.features[never[0]]!r} is missing everywhere")
    mean, deviation = np.zeros(len(samples.features)), np.ones(len(samples.features))
    if scale:
        mean, deviation = moments.mean, moments.deviation
        deviation[deviation < 1e-8 * np.maximum(1, np.abs(mean))] = 1.0  # a constant says nothing
    return SeriesCodec(
        samples.features,
        tuple(mean.tolist()),
        tuple(deviation.tolist()),
        missing=bool((moments.known < moments.steps).any()),
        fold=fold,
        order=None if permutation is None else _drawn_order(samples, permutation),
    )


class _Moments(NamedTuple):
    """Of each feature (feature,): how many steps there are, values of them, mean, deviation."""

    steps: int
    known: NDArray[np.int64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


def _moments(samples: Samples) -> _Moments:
    """In two passes over some samples at a time, so that large means cost no digits."""
    steps, width = 0, len(samples.features)
    known, total, squares = np.zeros(width, np.int64), np.zeros(width), np.zeros(width)
    for some in _some_steps(samples):
        steps += len(some)
        known += (~np.isnan(some)).sum(0)
        total += np.nansum(some, 0, dtype=np.float64)
    mean = total / np.maximum(known, 1)
    for some in _some_steps(samples):
        squares += np.nansum((some - mean) ** 2, 0)
    return _Moments(steps, known, mean, np.sqrt(squares / np.maximum(known, 1)))


def _some_steps(samples: Samples) -> Iterator[NDArray[np.float32]]:
    """The steps of some thousand samples at a time (steps, feature)."""
    for start in range(0, len(samples), _SAMPLES_AT_ONCE):
        yield np.concatenate(samples.inputs[start : start + _SAMPLES_AT_ONCE])  # pyright: ignore[reportCallIssue, reportArgumentType]


def _drawn_order(samples: Samples, seed: int) -> tuple[int, ...]:
    lengths = {len(series) for series in samples.inputs}
    if len(lengths) > 1:
        raise DataError(
            f"{samples.name} holds samples of {min(lengths)} to {max(lengths)} steps: only samples "
            "that all have as many can be read in a fixed order (permutation)"
        )
    return tuple(np.random.default_rng(seed).permutation(lengths.pop()).tolist())


def _prepared(text: str, lowercase: bool, part_marks: bool) -> str:
    text = text.lower() if lowercase else text
    return " ".join(words_of(text)) if part_marks else text.strip()


def _order(name: str) -> tuple[float, str]:
    """Numbers by their value, before names."""
    try:
        return float(name), name
    except ValueError:
        return float("inf"), name


def _told(classes: Sequence[str]) -> str:
    some = ", ".join(classes[:12])
    return some + (f" and {len(classes) - 12} more" if len(classes) > 12 else "")
