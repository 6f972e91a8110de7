"""A recurrent net that reads a series and forecasts it, one step after the other."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import RecurrentLayer
from ostinato.models.draws_of_each import DrawsOfEach
from ostinato.models.input_decay import InputDecay
from ostinato.models.predictive import PredictiveHead
from ostinato.state import select

NEVER_SEEN = 1000.0
"""Steps since a value was seen that never was; no larger number is told to the net."""


class ForecastState(NamedTuple):
    """All that is carried from step to step.

    `layer`: the state of the recurrent layer. `last` (batch, targets): the last value seen, `age`
    (batch, targets): steps since, `rise` (batch, targets): what the last step added to the last
    value seen. `recent` and `recent_seen` (batch, season, targets): the values of the last season,
    and 1 where they were seen.
    """

    layer: Any
    last: Tensor
    age: Tensor
    rise: Tensor
    recent: Tensor
    recent_seen: Tensor


class AutoregressiveForecaster(nn.Module):
    """Reads standardised values and forecasts the next one as a distribution.

        h_t   = layer(last_t - last_{t-1}, log(1 + age_t), z_{t-season} - last_t, seen_{t-season},
                      covariates_t)
        z_t   ~ distribution(last_t, z_{t-season}, h_t)

    last_t is the last value seen before step t, and age_t how many steps longer ago than one that
    was. Where z_{t-season} was not seen the distribution has last_t for it too, and the net is
    told. The net reads rises, no levels: a series that moves to where it never was is read as
    before. With normalisation="none" it reads the levels themselves, last_t and z_{t-season}.
    Forecasts of several steps are paths: each value drawn is read as if it had been seen.

    Args:
        layer: reads one way; its inputs are `input_size_for(targets, covariates)` wide.
        targets: values of a step.
        covariates: features that are known of a step before its values are.
        season: steps; the value so many steps ago is read beside the last.
        distribution: "gaussian", "student-t", or "negative-binomial" for counts, which are read
            as log(1 + count).
        normalisation: "last": the net reads rises; "none": it reads levels.
        decay: the last value seen counts the less the longer ago it was (`InputDecay`), to the
            net and in the location; the net's own state may fade by the ages, which the layer
            reads once more, as they are, after all else (`DecayedCell`).

    Raises:
        SettingsError: the layer reads both ways, or its input size does not fit.

    Source: Salinas 2020 (DeepAR), equations 1 and 2. Ours has the last value seen and the one
    of a season ago in the location, and reads rises; scales are the data's matter.
    """

    def __init__(
        self,
        layer: RecurrentLayer,
        targets: int,
        covariates: int,
        *,
        season: int = 1,
        distribution: str = "gaussian",
        normalisation: str = "last",
        decay: bool = False,
    ) -> None:
        super().__init__()
        if normalisation not in ("last", "none"):
            raise SettingsError(
                f"normalisation of an autoregressive forecaster must be last or none, got "
                f"{normalisation!r}"
            )
        if layer.bidirectional:
            raise SettingsError("a forecaster cannot read both ways: the future is not there yet")
        wanted = input_size_for(targets, covariates, decay=decay)
        if layer.input_size != wanted:
            raise SettingsError(
                f"the layer must read {wanted} features, it reads {layer.input_size}"
            )
        self.layer = layer
        self.targets, self.covariates, self.season = targets, covariates, season
        self.normalisation = normalisation
        self.decay = InputDecay(targets) if decay else None
        self.head = PredictiveHead(layer.output_size, targets, distribution)

    def initial_state(self, batch_size: int) -> ForecastState:
        """Nothing was ever seen."""
        like = self.head.linear.weight
        nothing = like.new_zeros(batch_size, self.targets)
        recent = like.new_zeros(batch_size, self.season, self.targets)
        return ForecastState(
            self.layer.initial_state(batch_size),
            nothing,
            torch.full_like(nothing, NEVER_SEEN),
            torch.zeros_like(nothing),
            recent,
            recent.clone(),
        )

    def forward(
        self, values: Tensor, seen: Tensor, covariates: Tensor, state: ForecastState | None = None
    ) -> tuple[Tensor, ForecastState]:
        """Read values, and expect each before it is read.

        Args:
            values: (batch, time, targets), standardised; what is missing is not looked at.
            seen: booleans (batch, time, targets), False where missing.
            covariates: (batch, time, covariates).
            state: the state before the first step; None: the initial.

        Returns:
            Parameters of the distribution of each value given all before it (batch, time, targets,
            parameters), and the state after the last step.

        Raises:
            ShapeError: the shapes do not fit each other or the model.
        """
        self._check(values, seen, covariates)
        state = self.initial_state(values.shape[0]) if state is None else state
        values = torch.where(seen, values, 0.0)
        last, age = _last_seen(values, seen, state)
        past = torch.cat([state.recent, values], 1)
        past_seen = torch.cat([state.recent_seen, seen.to(values.dtype)], 1)
        time = values.shape[1]
        rise = torch.cat([state.rise.unsqueeze(1), self._rise(last[:, :-1], last[:, 1:], age)], 1)
        inputs = self._features(
            _Read(last[:, :-1], age[:, :-1], rise[:, :-1], past[:, :time], past_seen[:, :time]),
            covariates,
        )
        outputs, layer = self.layer(inputs, state.layer)
        after = ForecastState(
            layer, last[:, -1], age[:, -1], rise[:, -1], past[:, time:], past_seen[:, time:]
        )
        believed = self._believed(last[:, :-1], age[:, :-1])
        lag = torch.where(past_seen[:, :time] > 0, past[:, :time], believed)
        return self.head(outputs, believed, lag), after

    def loss(self, parameters: Tensor, values: Tensor, seen: Tensor) -> Tensor:
        """Minus the log-density of each value seen, in nats: (batch, time, targets); else 0."""
        safe = torch.where(seen, values, parameters[..., 0].detach())
        return torch.where(seen, -self.head.of(parameters).log_prob(safe), 0.0)

    def read(
        self, values: Tensor, seen: Tensor, covariates: Tensor, state: ForecastState
    ) -> ForecastState:
        """The state after more rows; see `forward`."""
        return self(values, seen, covariates, state)[1]

    def paths(
        self, state: ForecastState, ahead: Tensor, samples: int, *, seed: int | None = None
    ) -> Tensor:
        """Paths from each state of a batch: (batch, samples, horizon, targets).

        Args:
            state: of a batch, after the last step read.
            ahead: (batch, horizon, covariates) of the steps to come.
            samples: paths of each.
            seed: of the paths of each state, which are then those it would have by itself. None:
                all come from torch's own generator, one after the other.
        """
        rows = torch.arange(len(ahead), device=ahead.device).repeat_interleave(samples)
        draw = None if seed is None else DrawsOfEach(self.head, len(ahead), seed, ahead.device)
        return self.sample(select(state, rows), ahead[rows], draw).unflatten(0, (-1, samples))

    @torch.no_grad()
    def sample(
        self,
        state: ForecastState,
        covariates: Tensor,
        draw: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """A path of each sample of the batch from its state on.

        Args:
            state: after the last step read.
            covariates: (batch, horizon, covariates) of the steps to come.
            draw: values (batch, targets) from parameters (batch, targets, parameters). None: with
                torch's own generator.

        Returns:
            (batch, horizon, targets).
        """
        stepper = self.layer.stepper(covariates.shape[0])
        stepper.state = state.layer
        return self._path(stepper, draw or self._drawn, state, covariates)

    def rollout(self, state: ForecastState, covariates: Tensor) -> Tensor:
        """As `sample`, with a gradient through all that was drawn: location plus scale times noise.

        Raises:
            SettingsError: counts are drawn, through which no gradient flows.
        """
        if self.head.counts:
            raise SettingsError("no gradient flows through counts that were drawn")
        layer = state.layer

        def step(inputs: Tensor) -> Tensor:
            nonlocal layer
            output, layer = self.layer.step(inputs, layer)
            return output

        def draw(parameters: Tensor) -> Tensor:
            return self.head.of(parameters).rsample()

        return self._path(step, draw, state, covariates)

    def _drawn(self, parameters: Tensor) -> Tensor:
        return self.head.of(parameters).sample()

    def _path(
        self,
        step_of_layer: Callable[[Tensor], Tensor],
        draw: Callable[[Tensor], Tensor],
        state: ForecastState,
        covariates: Tensor,
    ) -> Tensor:
        last, age, rise = state.last, state.age, state.rise
        # Rings: what was read a season ago is replaced.
        recent, recent_seen = list(state.recent.unbind(1)), list(state.recent_seen.unbind(1))
        path = []
        for step in range(covariates.shape[1]):
            place = step % self.season
            before = _Read(last, age, rise, recent[place], recent_seen[place])
            inputs = self._features(before, covariates[:, step])
            believed = self._believed(last, age)
            lag = torch.where(before.lag_seen > 0, before.lag, believed)
            last = draw(self.head(step_of_layer(inputs), believed, lag))
            rise = self._rise(before.last, last, age)
            age = torch.zeros_like(age)
            recent[place], recent_seen[place] = last, torch.ones_like(last)
            path.append(last)
        return torch.stack(path, 1)

    def _rise(self, before: Tensor, after: Tensor, age: Tensor) -> Tensor:
        """What a step added to the last value seen; the first one seen is no rise from 0."""
        known = age[:, : before.shape[1]] < NEVER_SEEN
        return torch.where(known, self.head.level(after) - self.head.level(before), 0.0)

    def _believed(self, last: Tensor, age: Tensor) -> Tensor:
        return last if self.decay is None else self.decay(last, age)

    def _features(self, read: "_Read", covariates: Tensor) -> Tensor:
        last = self.head.level(self._believed(read.last, read.age))
        lag = self.head.level(read.lag)
        if self.normalisation == "last":
            lag = torch.where(read.lag_seen > 0, lag - last, 0.0)
            last = read.rise
        ages = [] if self.decay is None else [read.age]
        return torch.cat([last, read.age.log1p(), lag, read.lag_seen, covariates, *ages], -1)

    def _check(self, values: Tensor, seen: Tensor, covariates: Tensor) -> None:
        fits = (
            values.dim() == 3
            and values.shape[2] == self.targets
            and values.shape == seen.shape
            and covariates.shape == (*values.shape[:2], self.covariates)
        )
        if not fits:
            raise ShapeError(
                f"values and seen must be (batch, time, {self.targets}) and covariates (batch, "
                f"time, {self.covariates}), got {tuple(values.shape)}, {tuple(seen.shape)} and "
                f"{tuple(covariates.shape)}"
            )


def input_size_for(targets: int, covariates: int, *, decay: bool = False) -> int:
    """Features that a forecaster's layer reads: four of each target, and the covariates.

    With decay the age of each target once more.
    """
    return 4 * targets + covariates + (targets if decay else 0)


class _Read(NamedTuple):
    """What is known before a step, (batch, targets) or (batch, time, targets) each."""

    last: Tensor
    age: Tensor
    rise: Tensor
    lag: Tensor
    lag_seen: Tensor


def _last_seen(values: Tensor, seen: Tensor, state: ForecastState) -> tuple[Tensor, Tensor]:
    """Before each step and after the last: the last value seen, and the steps since, 0 if the last.

    Both (batch, time + 1, targets).
    """
    time = values.shape[1]
    steps = torch.arange(1, time + 1, device=values.device).view(1, -1, 1)
    latest = torch.where(seen, steps, 0).cummax(1).values
    latest = torch.cat([torch.zeros_like(latest[:, :1]), latest], 1)
    everything = torch.cat([state.last.unsqueeze(1), values], 1)
    last = everything.gather(1, latest)
    now = torch.arange(time + 1, device=values.device).view(1, -1, 1)
    since = (now - latest).to(values.dtype)
    age = torch.where(latest == 0, state.age.unsqueeze(1) + since, since)
    return last, age.clamp(max=NEVER_SEEN)
