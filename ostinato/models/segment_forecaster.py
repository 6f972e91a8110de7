"""A recurrent net over segments of a window, every target by itself (SegRNN)."""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.cells import Cell
from ostinato.errors import SettingsError
from ostinato.layers import Dropout, RecurrentLayer
from ostinato.layers.options import LayerOptions
from ostinato.models.windowed_forecaster import WindowedForecaster, WindowSize
from ostinato.state import map_state, select


class SegmentForecaster(WindowedForecaster):
    """Reads a window in segments, and writes all segments of the horizon side by side.

        e_i   = relu(W segment_i + b + V missing_i)        i = 1 .. ceil(history / segment)
        h_n   = layer(e_1, .., e_n)
        d_j   = layer(position_j || target_c; h_n)        a step, j = 1 .. ceil(horizon / segment)
        out_j = W_o dropout(d_j) + b_o                     segment x levels numbers

    Every target is read by itself with the same weights; target_c tells which one it is. A history
    that is no multiple of the segment begins with missing steps; what the last segment writes past
    the horizon is cut off. Covariates are not read.

    Args:
        layer: reads one way; its inputs are as wide as an embedded segment, an even number.
        size: of the window.
        segment: steps.
        loss, levels, normalisation: as in `WindowedForecaster`.
        dropout: share of what the layer gives that is dropped before the output.

    Raises:
        SettingsError: the layer reads both ways, or its input size is odd.

    Source: Lin 2023 (SegRNN), equations 3 to 7, parallel multi-step forecasting. V is ours: without
    missing steps there is no such term.
    """

    def __init__(
        self,
        layer: RecurrentLayer,
        size: WindowSize,
        segment: int,
        *,
        loss: str = "absolute",
        levels: Sequence[float] = (),
        normalisation: str = "last",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(size, loss=loss, levels=levels, normalisation=normalisation)
        width = layer.input_size
        if layer.bidirectional or width % 2:
            raise SettingsError(
                "segments are read one way, by a layer whose input size is even; this one reads "
                f"{'both ways' if layer.bidirectional else f'{width} features'}"
            )
        self.layer = layer
        self.segment = segment
        self.embedding = nn.Linear(segment, width)
        self.missing = nn.Linear(segment, width, bias=False)
        self.positions = nn.Parameter(torch.randn(-(-size.horizon // segment), width // 2))
        self.channels = nn.Parameter(torch.randn(size.targets, width // 2))
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(layer.output_size, segment * len(self.levels))

    def expect(self, values: Tensor, seen: Tensor, covariates: Tensor, ahead: Tensor) -> Tensor:
        """See `WindowedForecaster`."""
        batch_size, targets = values.shape[0], self.size.targets
        embedded = self.embedding(self._segments(values))
        if not bool(seen.all()) or self.size.history % self.segment:
            embedded = embedded + self.missing(1 - self._segments(seen.to(values.dtype)))
        _, state = self.layer(F.relu(embedded))
        decoded = self._decode(state, batch_size)
        raw = self.output(self.dropout(decoded)).view(batch_size, targets, -1, len(self.levels))
        return raw[:, :, : self.size.horizon].transpose(1, 2)

    def _segments(self, values: Tensor) -> Tensor:
        """(batch, history, targets) as (batch x targets, segments, segment)."""
        lacking = -self.size.history % self.segment
        return F.pad(values.transpose(1, 2), (lacking, 0)).reshape(
            -1, (self.size.history + lacking) // self.segment, self.segment
        )

    def _decode(self, state: Any, batch_size: int) -> Tensor:
        """A step from the same state for each segment to come: (batch, targets, segments, size)."""
        count, targets = len(self.positions), self.size.targets
        marks = torch.cat(
            [
                self.positions.expand(targets, -1, -1),
                self.channels.unsqueeze(1).expand(-1, count, -1),
            ],
            2,
        )
        if self._steps_alone:
            return self._step_from_shared_state(marks, state, batch_size)
        rows = torch.arange(batch_size * targets, device=marks.device).repeat_interleave(count)
        inputs = marks.expand(batch_size, -1, -1, -1).reshape(len(rows), 1, -1)
        outputs, _ = self.layer(inputs, select(state, rows))
        return outputs.view(batch_size, targets, count, -1)

    @property
    def _steps_alone(self) -> bool:
        """Whether the layer's step is that of its one cell and nothing else."""
        return len(self.layer.cells) == 1 and self.layer.options == LayerOptions()

    def _step_from_shared_state(self, marks: Tensor, state: Any, batch_size: int) -> Tensor:
        """The same step, without saying things twice.

        The product with the state is one for all segments, and that with the marks one for all
        samples: the step's sums stretch them over each other.
        """
        (before,) = map_state(lambda part: part.view(batch_size, self.size.targets, 1, -1), state)
        cell = cast(Cell, self.layer.cells[0])
        outputs, _ = cell.step(cell.project(marks).unsqueeze(0), before.hidden, before)
        return outputs
