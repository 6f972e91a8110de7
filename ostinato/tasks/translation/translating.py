"""A translation model translates: lines in, lines out, with alignments where asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from ostinato.data import PairCodec
from ostinato.data.copied_tokens import copied_tokens, pieces_with_copied
from ostinato.decoding import Beam, Draw, Hypothesis, NextStep, beam_search, draw_sequences
from ostinato.state import select
from ostinato.tasks.translation.model import Translator, attends, longest_translation

_ROWS_AT_ONCE = 320


@dataclass(frozen=True)
class Translation:
    """One translation of a line.

    Attributes:
        text: the translation.
        score, log_probability: as the beam search ranks it; see `ostinato.decoding.Hypothesis`.
        source, target: the tokens of both, as text; the target's end is the last.
        alignment: (target tokens, source tokens), where each target token looked; None where it was
            not asked for, or the model has no attention.
    """

    text: str
    score: float
    log_probability: float
    source: list[str]
    target: list[str]
    alignment: Tensor | None = None


class Progress(Protocol):
    """Called with the lines done and those in all."""

    def __call__(self, done: int, total: int, /) -> None: ...


@torch.no_grad()
def predict(
    model: Translator,
    codec: PairCodec,
    lines: Sequence[str],
    *,
    how: Beam | Draw | None = None,
    longest: int | None = None,
    alignments: bool = False,
    replace_unknown: bool = True,
    progress: Progress | None = None,
) -> list[list[Translation]]:
    """Translate lines, many at once, in an order that leaves little padding.

    Args:
        model: in evaluation mode.
        codec: the model's own.
        lines: to translate; an empty one has an empty translation.
        how: to search or to draw. None: search with a beam of 5 and length penalty 1.
        longest: tokens of a translation at most. None: twice the source's and ten more.
        alignments: also tell where each token looked.
        replace_unknown: where words are tokens and the model attends, an unknown word becomes the
            source's word that it looked at most (Luong 2015b).
        progress: see `Progress`.

    Returns:
        For each line its translations, best first: `best` of the beam, or the one drawn.
    """
    how = how or Beam(length_penalty=1.0)
    translator = _Translator(model, codec, how, longest, alignments, replace_unknown)
    encoded = translator.encode(lines)
    order = sorted(range(len(lines)), key=lambda number: -len(encoded[number]))
    at_once = max(1, _ROWS_AT_ONCE // (how.beam_size if isinstance(how, Beam) else 1))
    found: dict[int, list[Translation]] = {}
    for start in range(0, len(order), at_once):
        numbers = order[start : start + at_once]
        full = [number for number in numbers if encoded[number]]
        found |= {number: [_EMPTY] for number in numbers}
        if full:
            sources = [encoded[number] for number in full]
            several = translator.translate(sources, [lines[number] for number in full])
            found |= dict(zip(full, several, strict=True))
        if progress is not None:
            progress(start + len(numbers), len(lines))
    return [found[number] for number in range(len(lines))]


_EMPTY = Translation("", 0.0, 0.0, [], [])


@dataclass(frozen=True)
class _Translator:
    """A model and how it is to translate."""

    model: Translator
    codec: PairCodec
    how: Beam | Draw
    longest: int | None
    alignments: bool
    replace_unknown: bool

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """The tokens of each line."""
        if not lines:
            return []
        tokens, lengths = self.codec.source.encode([line.strip() for line in lines])
        ends = lengths.cumsum()
        starts = ends - lengths
        return [tokens[start:end].tolist() for start, end in zip(starts, ends, strict=True)]

    def translate(self, sources: list[list[int]], lines: Sequence[str]) -> list[list[Translation]]:
        batch = self._read(sources, [line.strip() for line in lines])
        found = self._write(batch)
        weights = self._weights(batch, found)
        return [
            [
                self._translation(batch, row, one, weight)
                for one, weight in zip(hypotheses, weights[row], strict=True)
            ]
            for row, hypotheses in enumerate(found)
        ]

    def _read(self, sources: list[list[int]], lines: list[str]) -> "_Batch":
        device = next(self.model.parameters()).device
        source, lengths = _padded(sources, device)
        if not self.codec.extra_tokens:
            return _Batch(sources, lines, source, lengths, None, [[] for _ in lines])
        lent = copied_tokens(self.codec.target, lines, self.codec.extra_tokens)
        ends = np.cumsum([len(source) for source in sources])[:-1]
        copied, _ = _padded([part.tolist() for part in np.split(lent.tokens, ends)], device)
        return _Batch(sources, lines, source, lengths, copied, lent.words)

    def _write(self, batch: "_Batch") -> list[list[Hypothesis]]:
        boundary = self.codec.target.boundary_index
        model: Any = self.model  # each kind has a memory of its own
        memory = model.encode(batch.source, batch.lengths, **batch.more())
        shortest = self.how.minimum_length if isinstance(self.how, Beam) else 0
        limits = [
            self.longest or max(shortest, longest_translation(len(source)))
            for source in batch.sources
        ]
        first_tokens = torch.full_like(batch.lengths, boundary)
        if isinstance(self.how, Draw):
            drawn = draw_sequences(
                lambda tokens, state: model.next_step(tokens, state, memory),
                model.initial_state(memory),
                first_tokens,
                self.how,
                maximum_length=max(limits),
                end_index=boundary,
            )
            return [[one] for one in drawn]

        def next_step_for(rows: Tensor) -> NextStep:
            # All rows of a sentence stand together and share its keys.
            kept = select(memory, rows.unique_consecutive())
            return lambda tokens, state: model.next_step(tokens, state, kept)

        return beam_search(
            next_step_for,
            model.initial_state(memory),
            first_tokens,
            self.how,
            maximum_length=batch.lengths.new_tensor(limits),
            end_index=boundary,
        )

    def _weights(self, batch: "_Batch", found: list[list[Hypothesis]]) -> list[list[Tensor | None]]:
        """Where each token of each hypothesis looked, its end too, read once more as given."""
        replaces = self.replace_unknown and _are_words(self.codec)
        if not attends(self.model) or not (self.alignments or replaces):
            return [[None] * len(hypotheses) for hypotheses in found]
        boundary = self.codec.target.boundary_index
        flat = [(row, one) for row, hypotheses in enumerate(found) for one in hypotheses]
        rows = torch.tensor([row for row, _ in flat], device=batch.source.device)
        target_in, target_lengths = _padded(
            [[boundary, *one.tokens] for _, one in flat], batch.source.device
        )
        all_weights = self.model.alignment(
            batch.source[rows], batch.lengths[rows], target_in, target_lengths, **batch.more(rows)
        ).cpu()
        weights: list[list[Tensor | None]] = [[] for _ in found]
        for (row, one), weight in zip(flat, all_weights, strict=True):
            weights[row].append(weight[: len(one.tokens) + 1, : len(batch.sources[row])])
        return weights

    def _translation(
        self, batch: "_Batch", row: int, found: Hypothesis, weights: Tensor | None
    ) -> Translation:
        target = self.codec.target
        pieces = pieces_with_copied(target, found.tokens, batch.words[row])
        copies = any(token >= target.vocabulary_size for token in found.tokens)
        text = target.join(pieces) if copies else target.decode(found.tokens)
        if weights is not None and self.replace_unknown and _are_words(self.codec):
            unknown = target.tokeniser.unknown_index
            words, places = batch.lines[row].split(), weights.argmax(1).tolist()
            pieces = [
                words[place] if token == unknown else piece
                for token, piece, place in zip(found.tokens, pieces, places, strict=False)
            ]
            text = " ".join(pieces)
        return Translation(
            text,
            found.score,
            found.log_probability,
            self.codec.source.pieces(batch.sources[row]),
            [*pieces, ""],
            weights if self.alignments else None,
        )


class _Batch(NamedTuple):
    """Lines to translate together.

    Attributes:
        sources, lines: as tokens and as text.
        source, lengths: the tokens padded (batch, source time), and how many are real (batch,).
        copied: (batch, source time), see `ostinato.data.copied_tokens`; None: nothing beyond the
            vocabulary can be copied.
        words: what each line lends.
    """

    sources: list[list[int]]
    lines: list[str]
    source: Tensor
    lengths: Tensor
    copied: Tensor | None
    words: list[list[str]]

    def more(self, rows: Tensor | None = None) -> dict[str, Tensor]:
        """What a model that copies also reads, of all rows or of some."""
        if self.copied is None:
            return {}
        return {"copied": self.copied if rows is None else self.copied[rows]}


def _are_words(codec: PairCodec) -> bool:
    return codec.source.tokeniser.kind == codec.target.tokeniser.kind == "words"


def _padded(rows: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """(batch, time), 0 behind each row, and their lengths."""
    lengths = [len(row) for row in rows]
    filled = [row + [0] * (max(lengths) - len(row)) for row in rows]
    return torch.tensor(filled, device=device), torch.tensor(lengths, device=device)
