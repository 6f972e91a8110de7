"""A forecaster that reads the values it draws, as one cell: an engine runs it over the horizon."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.cells import Cell
from ostinato.engine import Noise, noisy_step, unroll
from ostinato.layers import RecurrentLayer
from ostinato.models.input_decay import InputDecay
from ostinato.models.predictive import PredictiveHead
from ostinato.models.read_values import ReadValues, rise_between
from ostinato.state import rebuild, tensors

_BEFORE_MASKS = 5
"""Inputs of a step before its masks: age, lag, whether that was seen, covariates, noise."""
_STEPS_TOGETHER = 64
"""Steps of one loop: what bounds the memory of its inputs."""


class PathCell(Cell):
    """One step of a path: features, the recurrent layer, and a value made of noise.

        h_t = layer(features(z_{t-1}, age_t, rise_t, lag_t, covariates_t))
        z_t = value(head(h_t, z_{t-1}, lag_t), noise_t)

    It reads age, lag, whether that was seen, covariates, noise and the masks of dropout between
    the layers, side by side. Its state is the layer's, part by part, then z_t and its rise.

    Args:
        layer: one that `can_be_one_cell`.
        head: of a distribution whose values are made of noise.
        decay: of the last value seen; None: none.
        covariates: features known of a step.
        rises: as in `ReadValues.features`.
    """

    def __init__(
        self,
        layer: RecurrentLayer,
        head: PredictiveHead,
        decay: InputDecay | None,
        covariates: int,
        *,
        rises: bool,
    ) -> None:
        targets, cells = head.targets, list(layer.cells)
        dropped = [cell.output_size for cell in cells[:-1]] if layer.options.dropout else []
        widths: Any = [*[targets] * 3, covariates, head.noise_parts * targets, *dropped]
        super().__init__(sum(widths), layer.output_size)
        self.widths, self.rises, self.residual = widths, rises, layer.options.residual
        self.cells, self.head, self.decay = nn.ModuleList(cells), head, decay
        parts: Any = [size for cell in cells for size in cell.state_sizes]  # pyright: ignore[reportGeneralTypeIssues]
        self.state_sizes, self.output_size = (*parts, targets, targets), targets

    def weights(self) -> dict[str, Tensor]:
        """The head's rows parameter by parameter, not target by target: so a step can cut them."""
        linear, targets = self.head.linear, self.head.targets
        return {
            f"head.linear.{name}": part.unflatten(0, (targets, -1)).transpose(0, 1).flatten(0, 1)
            for name, part in (("weight", linear.weight), ("bias", linear.bias))
        }

    def step(self, projected: Tensor, hidden: Any, state: Any) -> tuple[Tensor, Any]:
        """One time step, with `weights` in place of the head's own."""
        age, lag, lag_seen, covariates, noise, *masks = projected.split(self.widths, -1)
        *carried, last, rise = state
        read = ReadValues(last, age, rise, lag, lag_seen)
        features = read.features(self.head, self.decay, covariates, rises=self.rises)
        features, carried = self._through_cells(features, carried, masks)
        raw = self.head.linear(features).split(self.head.targets, -1)
        believed = read.believed(self.decay)
        parameters = self.head.parameters_of(raw, believed, read.lag_or(believed))
        value = self.head.value(parameters, noise.split(self.head.targets, -1))
        return value, (*carried, value, rise_between(self.head, last, value, age))

    def _through_cells(
        self, values: Tensor, state: Sequence[Tensor], masks: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        before, after = iter(state), []
        for depth, cell in enumerate(self.cells):
            sizes: Any = cell.state_sizes
            own = rebuild(sizes, [next(before) for _ in sizes])
            output, following = noisy_step(cell, cell.project(values), own, Noise())  # pyright: ignore
            after += following
            values = output + values if self.residual and depth > 0 else output
            values = values * masks[depth] if depth < len(masks) else values
        return values, after


def can_be_one_cell(layer: RecurrentLayer) -> bool:
    """Whether all that a layer does to its cells is dropout between them."""
    return not {*layer.options.random_options()} - {"dropout"}


def path_of_noise(
    cell: PathCell, layer: RecurrentLayer, state: Any, covariates: Tensor, noise: Tensor
) -> Tensor:
    """A path (batch, horizon, targets) from each state on.

    A loop knows all lags before it begins, so that none is longer than a season.

    Args:
        cell: the forecaster as one cell.
        layer: of the forecaster.
        state: a `ForecastState`.
        covariates: (batch, horizon, covariates).
        noise: (batch, horizon, noise_parts * targets).
    """
    horizon, season = covariates.shape[1], state.recent.shape[1]
    later = state.age.new_zeros(len(noise), horizon - 1, cell.output_size)
    ages = torch.cat([state.age.unsqueeze(1), later], 1)
    known = torch.cat([covariates, noise, *_masks(cell, layer, covariates)], -1)
    lags, lags_seen = state.recent, state.recent_seen
    parts = (*tensors(state.layer), state.last, state.rise)
    weights, options = Noise(weights=cell.weights()), layer.options
    together = min(season, _STEPS_TOGETHER)
    for first in range(0, horizon, together):
        at = slice(first, min(first + together, horizon))
        drawn, parts, _ = unroll(
            cell,
            torch.cat([ages[:, at], lags[:, at], lags_seen[:, at], known[:, at]], -1),
            parts,
            noise=weights,
            engine=options.engine if options.engine in ("reference", "compiled") else None,
            products=options.products,
            recompute=options.recompute,
        )
        lags = torch.cat([lags, drawn], 1)
        lags_seen = torch.cat([lags_seen, torch.ones_like(drawn)], 1)
    return lags[:, season:]


def _masks(cell: PathCell, layer: RecurrentLayer, covariates: Tensor) -> Iterator[Tensor]:
    """The masks of dropout between the layers, (batch, horizon, width) each."""
    steps = covariates.shape[1]
    widths = cell.widths[_BEFORE_MASKS:]
    for width, drawn in zip(widths, layer.draw_noise(covariates, steps), strict=False):
        if drawn.dropout is None:
            yield covariates.new_ones(len(covariates), steps, width)
        else:
            yield drawn.dropout.expand(-1, steps, -1)
