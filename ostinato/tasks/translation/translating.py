"""A translation model translates: lines in, lines out, with alignments where asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ostinato.data import PairCodec
from ostinato.decoding import Beam, Hypothesis, NextStep, beam_search
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
    beam: Beam | None = None,
    alignments: bool = False,
    replace_unknown: bool = True,
    progress: Progress | None = None,
) -> list[list[Translation]]:
    """Translate lines, many at once, in an order that leaves little padding.

    Args:
        model: in evaluation mode.
        codec: the model's own.
        lines: to translate; an empty one has an empty translation.
        beam: how to search. None: a beam of 5 with length penalty 1.
        alignments: also tell where each token looked.
        replace_unknown: where words are tokens and the model attends, an unknown word becomes the
            source's word that it looked at most (Luong 2015b).
        progress: see `Progress`.

    Returns:
        For each line its `beam.best` translations, best first.
    """
    beam = beam or Beam(length_penalty=1.0)
    translator = _Translator(model, codec, beam, alignments, replace_unknown)
    encoded = translator.encode(lines)
    order = sorted(range(len(lines)), key=lambda number: -len(encoded[number]))
    at_once = max(1, _ROWS_AT_ONCE // beam.beam_size)
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
    beam: Beam
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
        source, lengths = _padded(sources, next(self.model.parameters()).device)
        found = self._search(source, lengths)
        weights = self._weights(source, lengths, found)
        return [
            [
                self._translation(sources[row], lines[row], one, weight)
                for one, weight in zip(hypotheses, weights[row], strict=True)
            ]
            for row, hypotheses in enumerate(found)
        ]

    def _search(self, source: Tensor, lengths: Tensor) -> list[list[Hypothesis]]:
        boundary = self.codec.target.boundary_index
        model: Any = self.model  # each kind has a memory of its own
        memory = model.encode(source, lengths)

        def next_step_for(rows: Tensor) -> NextStep:
            # All rows of a sentence stand together and share its keys.
            kept = select(memory, rows.unique_consecutive())
            return lambda tokens, state: model.next_step(tokens, state, kept)

        return beam_search(
            next_step_for,
            model.initial_state(memory),
            torch.full_like(lengths, boundary),
            self.beam,
            maximum_length=lengths.new_tensor([longest_translation(n) for n in lengths.tolist()]),
            end_index=boundary,
        )

    def _weights(
        self, source: Tensor, lengths: Tensor, found: list[list[Hypothesis]]
    ) -> list[list[Tensor | None]]:
        """Where each token of each hypothesis looked, its end too, read once more as given."""
        replaces = self.replace_unknown and _are_words(self.codec)
        if not attends(self.model) or not (self.alignments or replaces):
            return [[None] * len(hypotheses) for hypotheses in found]
        boundary = self.codec.target.boundary_index
        flat = [(row, one) for row, hypotheses in enumerate(found) for one in hypotheses]
        rows = torch.tensor([row for row, _ in flat], device=source.device)
        target_in, target_lengths = _padded(
            [[boundary, *one.tokens] for _, one in flat], source.device
        )
        all_weights = self.model.alignment(
            source[rows], lengths[rows], target_in, target_lengths
        ).cpu()
        weights: list[list[Tensor | None]] = [[] for _ in found]
        for (row, one), weight in zip(flat, all_weights, strict=True):
            weights[row].append(weight[: len(one.tokens) + 1, : int(lengths[row])])
        return weights

    def _translation(
        self, source: list[int], line: str, found: Hypothesis, weights: Tensor | None
    ) -> Translation:
        pieces = self.codec.target.pieces(found.tokens)
        text = self.codec.target.decode(found.tokens)
        if weights is not None and self.replace_unknown and _are_words(self.codec):
            unknown = self.codec.target.tokeniser.unknown_index
            words, places = line.split(), weights.argmax(1).tolist()
            pieces = [
                words[place] if token == unknown else piece
                for token, piece, place in zip(found.tokens, pieces, places, strict=False)
            ]
            text = " ".join(pieces)
        return Translation(
            text,
            found.score,
            found.log_probability,
            self.codec.source.pieces(source),
            [*pieces, ""],
            weights if self.alignments else None,
        )


def _are_words(codec: PairCodec) -> bool:
    return codec.source.tokeniser.kind == codec.target.tokeniser.kind == "words"


def _padded(rows: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """(batch, time), 0 behind each row, and their lengths."""
    lengths = [len(row) for row in rows]
    filled = [row + [0] * (max(lengths) - len(row)) for row in rows]
    return torch.tensor(filled, device=device), torch.tensor(lengths, device=device)
