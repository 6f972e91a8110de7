"""What forecasters share that see a fixed number of steps and give the whole horizon at once."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError, ShapeError
from ostinato.models.instance_normalisation import InstanceNormalisation
from ostinato.models.quantiles import (
    check_levels,
    paths_of_quantiles,
    pinball_loss,
    rising_quantiles,
)

LOSSES = ("absolute", "squared", "quantile")
_LEVELS = 101
"""Equally likely values that a forecast of quantiles is read at."""
_WINDOWS_TOGETHER = 256
"""Of `one_step_ahead`: what bounds the memory."""


class WindowSize(NamedTuple):
    """`history` and `horizon` in steps, `targets` of a step, `covariates` known of a step."""

    history: int
    horizon: int
    targets: int
    covariates: int


class WindowState(NamedTuple):
    """The last `history` rows, as many at any time; what was not there yet is missing.

    `values` (batch, history, targets), `seen` the same shape, 1 where seen, and `covariates`
    (batch, history, covariates).
    """

    values: Tensor
    seen: Tensor
    covariates: Tensor


class WindowedForecaster(nn.Module, ABC):
    """Normalises a window, asks `expect` for the horizon, and turns the answer back.

    Args:
        size: of the window.
        loss: "absolute" or "squared" error of a point, or "quantile": the pinball loss.
        levels: of the quantiles, rising; read with loss="quantile" only.
        normalisation: "last", "reversible" or "none"; see `InstanceNormalisation`.

    Raises:
        SettingsError: a loss or normalisation that there is not, or levels that do not rise.
    """

    def __init__(
        self, size: WindowSize, *, loss: str, levels: Sequence[float], normalisation: str
    ) -> None:
        super().__init__()
        if loss not in LOSSES:
            raise SettingsError(f"loss must be {', '.join(LOSSES)}, got {loss!r}")
        if loss == "quantile":
            check_levels(levels)
        self.size = size
        self.kind = loss
        self.levels = tuple(levels) if loss == "quantile" else (0.5,)
        self.normalisation = InstanceNormalisation(size.targets, normalisation)

    @abstractmethod
    def expect(self, values: Tensor, seen: Tensor, covariates: Tensor, ahead: Tensor) -> Tensor:
        """What comes, in the units of the normalised window.

        Args:
            values: (batch, history, targets), normalised, 0 where missing.
            seen: booleans of the same shape.
            covariates: (batch, history, covariates).
            ahead: (batch, horizon, covariates); what comes at a step looks at no later one.

        Returns:
            (batch, horizon, targets, levels); one level where a point is asked for.
        """

    def forward(self, values: Tensor, seen: Tensor, covariates: Tensor, ahead: Tensor) -> Tensor:
        """Forecast every step of the horizon.

        Args:
            values: (batch, history, targets), standardised; what is missing is not looked at.
            seen: booleans (batch, history, targets), False where missing.
            covariates: (batch, history, covariates).
            ahead: (batch, horizon, covariates), of the steps to come.

        Returns:
            (batch, horizon, targets, levels): rising quantiles, or the one point.

        Raises:
            ShapeError: the shapes do not fit each other or the model.
        """
        self._check(values, seen, covariates, ahead)
        normal, taken = self.normalisation(values, seen)
        raw = self.expect(normal, seen, covariates, ahead)
        if self.kind == "quantile":
            raw = rising_quantiles(raw, self.levels)
        return self.normalisation.restore(raw, taken)

    def loss(self, outputs: Tensor, truth: Tensor, seen: Tensor) -> Tensor:
        """What each value seen costs: (batch, horizon, targets); else 0."""
        if self.kind == "quantile":
            losses = pinball_loss(outputs, torch.where(seen, truth, 0.0), self.levels)
        else:
            apart = outputs[..., 0] - torch.where(seen, truth, 0.0)
            losses = apart.abs() if self.kind == "absolute" else apart.square()
        return torch.where(seen, losses, 0.0)

    def initial_state(self, batch_size: int) -> WindowState:
        """Nothing was ever seen."""
        size, like = self.size, next(self.parameters())
        nothing = like.new_zeros(batch_size, size.history, size.targets)
        known = like.new_zeros(batch_size, size.history, size.covariates)
        return WindowState(nothing, nothing.clone(), known)

    def read(
        self, values: Tensor, seen: Tensor, covariates: Tensor, state: WindowState
    ) -> WindowState:
        """The state after more rows, (batch, time, ...) each: the last `history` of all."""
        new = (torch.where(seen, values, 0.0), seen.to(values.dtype), covariates)
        kept = self.size.history
        return WindowState(
            *(torch.cat([old, more], 1)[:, -kept:] for old, more in zip(state, new, strict=True))
        )

    def one_step_ahead(
        self, values: Tensor, seen: Tensor, covariates: Tensor, state: WindowState
    ) -> tuple[Tensor, WindowState]:
        """Read rows, and expect each before it is read.

        Args:
            values, seen: (batch, time, targets), as in `forward`.
            covariates: (batch, time, covariates), of the same rows.
            state: before the first of them.

        Returns:
            What `forward` gives for the first step of a horizon that begins at each row (batch,
            time, targets, levels), and the state after the last row.
        """
        batch_size, time = values.shape[:2]
        new = WindowState(torch.where(seen, values, 0.0), seen.to(values.dtype), covariates)
        whole = [torch.cat([old, more], 1) for old, more in zip(state, new, strict=True)]
        pieces = []
        for first in range(0, time, _WINDOWS_TOGETHER):
            stop = min(first + _WINDOWS_TOGETHER, time)
            # (batch, rows, feature, history) each, as (batch x rows, history, feature).
            windows = [part.unfold(1, self.size.history, 1)[:, first:stop] for part in whole]
            cut = WindowState(*(part.flatten(0, 1).transpose(1, 2) for part in windows))
            ahead = cut.covariates.new_zeros(
                len(cut.values), self.size.horizon, covariates.shape[2]
            )
            ahead[:, 0] = covariates[:, first:stop].flatten(0, 1)
            outputs = self(cut.values, cut.seen > 0, cut.covariates, ahead)
            pieces.append(outputs[:, 0].unflatten(0, (batch_size, -1)))
        return torch.cat(pieces, 1), self.read(values, seen, covariates, state)

    @torch.no_grad()
    def paths(
        self, state: WindowState, ahead: Tensor, samples: int, *, seed: int | None = None
    ) -> Tensor:
        """Equally likely values of each step: (batch, values, horizon, targets).

        Of a point forecast there is one; of quantiles there are 101, at equal levels. `samples` and
        `seed` are for forecasters that draw.

        Args:
            state: of a batch.
            ahead: (batch, horizon, covariates) of the steps to come.
            samples, seed: not read.
        """
        outputs = self(state.values, state.seen > 0, state.covariates, ahead)
        return self.equally_likely(outputs)

    def equally_likely(self, outputs: Tensor) -> Tensor:
        """Outputs (batch, ..., levels) as equally likely ones (batch, values, ...), as `paths`."""
        if self.kind != "quantile":
            return outputs.movedim(-1, 1)
        return paths_of_quantiles(outputs, self.levels, _LEVELS)

    def _check(self, values: Tensor, seen: Tensor, covariates: Tensor, ahead: Tensor) -> None:
        history, horizon, targets, known = self.size
        batch_size = values.shape[0]
        wanted = [
            (batch_size, history, targets),
            (batch_size, history, targets),
            (batch_size, history, known),
            (batch_size, horizon, known),
        ]
        found = [tuple(part.shape) for part in (values, seen, covariates, ahead)]
        if found != wanted:
            raise ShapeError(
                f"values and seen must be (batch, {history}, {targets}), covariates (batch, "
                f"{history}, {known}) and ahead (batch, {horizon}, {known}), got "
                f"{', '.join(map(str, found))}"
            )
