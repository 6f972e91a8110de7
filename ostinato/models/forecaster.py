"""A recurrent net that reads a series and forecasts it, one step after the other."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers import RecurrentLayer
from ostinato.models.draws_of_each import DrawsOfEach
from ostinato.models.input_decay import InputDecay
from ostinato.models.path_cell import PathCell, can_be_one_cell, path_of_noise
from ostinato.models.predictive import PredictiveHead
from ostinato.models.read_values import NEVER_SEEN, ReadValues, rise_between
from ostinato.state import select


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
        cell = PathCell(layer, self.head, self.decay, covariates, rises=normalisation == "last")
        self._one_cell = (cell,)  # no part of the state dict

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
        parameters, _, after = self.read_through(values, seen, covariates, state, 0)
        return parameters, after

    def read_through(
        self,
        values: Tensor,
        seen: Tensor,
        covariates: Tensor,
        state: ForecastState | None,
        stop: int,
    ) -> tuple[Tensor, ForecastState, ForecastState]:
        """As `forward`, and also the state after the first `stop` steps, before that after all."""
        self._check(values, seen, covariates)
        state = self.initial_state(values.shape[0]) if state is None else state
        values = torch.where(seen, values, 0.0)
        last, age = _last_seen(values, seen, state)
        past = torch.cat([state.recent, values], 1)
        past_seen = torch.cat([state.recent_seen, seen.to(values.dtype)], 1)
        time = values.shape[1]
        added = rise_between(self.head, last[:, :-1], last[:, 1:], age[:, :-1])
        rise = torch.cat([state.rise.unsqueeze(1), added], 1)
        read = ReadValues(
            last[:, :-1], age[:, :-1], rise[:, :-1], past[:, :time], past_seen[:, :time]
        )

        def after(step: int, layer: Any) -> ForecastState:
            recent = slice(step, step + self.season)
            own = (last[:, step], age[:, step], rise[:, step], past[:, recent])
            return ForecastState(layer, *own, past_seen[:, recent])

        features, between, outputs = self._features(read, covariates), state.layer, []
        if stop:
            first, between = self.layer(features[:, :stop], between)
            outputs.append(first)
        rest, final = self.layer(features[:, stop:], between)
        whole = torch.cat([*outputs, rest], 1) if stop else rest
        return self._expected(whole, read), after(stop, between), after(time, final)

    def loss(self, parameters: Tensor, values: Tensor, seen: Tensor) -> Tensor:
        """Minus the log-density of each value seen, in nats: (batch, time, targets); else 0."""
        safe = torch.where(seen, values, parameters[..., 0].detach())
        return torch.where(seen, -self.head.of(parameters).log_prob(safe), 0.0)

    def read(
        self, values: Tensor, seen: Tensor, covariates: Tensor, state: ForecastState
    ) -> ForecastState:
        """The state after more rows; see `forward`."""
        return self(values, seen, covariates, state)[1]

    @torch.no_grad()
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
        groups = len(ahead)
        rows = torch.arange(groups, device=ahead.device).repeat_interleave(samples)
        many, every = select(state, rows), ahead[rows]
        if seed is None:
            found = self.sample(many, every)
        elif self.head.counts:
            draw = DrawsOfEach(self.head, groups, seed, ahead.device)
            found = self._path_by_steps(many, every, draw)
        else:
            torch.manual_seed(seed)
            # The noise of all is the same, whatever it is added to.
            noise = self.head.noise(samples, ahead.shape[1])
            found = self._path(many, every, noise.repeat(groups, 1, 1))
        return found.unflatten(0, (-1, samples))

    @torch.no_grad()
    def sample(self, state: ForecastState, covariates: Tensor) -> Tensor:
        """A path of each sample of the batch from its state on, with torch's own generator.

        Args:
            state: after the last step read.
            covariates: (batch, horizon, covariates) of the steps to come.

        Returns:
            (batch, horizon, targets).
        """
        if self.head.counts:
            return self._path_by_steps(state, covariates, lambda one: self.head.of(one).sample())
        return self.rollout(state, covariates)

    def rollout(self, state: ForecastState, covariates: Tensor) -> Tensor:
        """As `sample`, with a gradient through all that was drawn: it is made of noise.

        Raises:
            SettingsError: counts are drawn, through which no gradient flows.
        """
        if self.head.counts:
            raise SettingsError("no gradient flows through counts that were drawn")
        return self._path(state, covariates, self.head.noise(*covariates.shape[:2]))

    def _path(self, state: ForecastState, covariates: Tensor, noise: Tensor) -> Tensor:
        if can_be_one_cell(self.layer):
            return path_of_noise(*self._one_cell, self.layer, state, covariates, noise)
        each = iter(noise.unbind(1))

        def draw(parameters: Tensor) -> Tensor:
            return self.head.value(parameters.unbind(-1), next(each).split(self.targets, -1))

        return self._path_by_steps(state, covariates, draw)

    def _path_by_steps(
        self, state: ForecastState, covariates: Tensor, draw: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """A path of values that `draw` makes of parameters (batch, targets, parameters)."""
        step_of_layer = self._steps_from(state.layer, len(covariates))
        last, age, rise = state.last, state.age, state.rise
        # Rings: what was read a season ago is replaced.
        recent, recent_seen = list(state.recent.unbind(1)), list(state.recent_seen.unbind(1))
        path = []
        for step in range(covariates.shape[1]):
            place = step % self.season
            before = ReadValues(last, age, rise, recent[place], recent_seen[place])
            outputs = step_of_layer(self._features(before, covariates[:, step]))
            last = draw(self._expected(outputs, before))
            rise = rise_between(self.head, before.last, last, age)
            age = torch.zeros_like(age)
            recent[place], recent_seen[place] = last, torch.ones_like(last)
            path.append(last)
        return torch.stack(path, 1)

    def _steps_from(self, state: Any, batch_size: int) -> Callable[[Tensor], Tensor]:
        """The layer step by step from a state on."""
        if not torch.is_grad_enabled():
            stepper = self.layer.stepper(batch_size)
            stepper.state = state
            return stepper

        def step(inputs: Tensor) -> Tensor:
            nonlocal state
            output, state = self.layer.step(inputs, state)
            return output

        return step

    def _features(self, read: ReadValues, covariates: Tensor) -> Tensor:
        return read.features(self.head, self.decay, covariates, rises=self.normalisation == "last")

    def _expected(self, outputs: Tensor, read: ReadValues) -> Tensor:
        """Parameters of the distribution of each value."""
        believed = read.believed(self.decay)
        return self.head(outputs, believed, read.lag_or(believed))

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
