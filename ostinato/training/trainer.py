"""The training loop: windows in, updates out, and at any moment a run that can go on."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ostinato.errors import TrainingError
from ostinato.state import select, stack
from ostinato.training.environment import describe_environment, differences
from ostinato.training.guard import check_inputs, check_update
from ostinato.training.interruption import Interrupted, StopRequest, stop_on_signals
from ostinato.training.journal import Journal
from ostinato.training.observer import Observer
from ostinato.training.plan import Optimisation, TrainingPlan
from ostinato.training.processes import Processes
from ostinato.training.snapshot import Place, restore_snapshot, take_snapshot
from ostinato.training.through_time import ThroughTime

Validate = Callable[[nn.Module], dict[str, Any]]


class Trainer:
    """Trains an objective on windows, with carried state, exactly resumable.

    Args:
        objective: `ThroughTime(model)`, or anything called as it is.
        windows: gives the windows of an epoch, by its number: something with a length, indexed.
        plan: how long and within what limits.
        optimisation: optimiser, schedule, averaging.
        journal: where checkpoints and metrics go.
        validate: gives a model's figures; `nats_per_unit` among them is what `best` compares.
            None: no validation.
        observer: hears of everything that happens.
        processes: this process among those of the run.
    """

    def __init__(
        self,
        objective: ThroughTime,
        windows: Callable[[int], Any],
        plan: TrainingPlan,
        optimisation: Optimisation,
        journal: Journal,
        *,
        validate: Validate | None = None,
        observer: Observer | None = None,
        processes: Processes | None = None,
    ) -> None:
        self.objective = objective
        self.windows = windows
        self.plan = plan
        self.optimisation = optimisation
        self.journal = journal
        self.validate = validate
        self.observer = observer or Observer()
        self.processes = processes or Processes()
        self.parameters = [p for p in objective.parameters() if p.requires_grad]
        self.device = self.parameters[0].device
        self.place = Place()
        self.tally = _Tally()

    def run(self, *, resume: bool = False) -> dict[str, Any]:
        """Train to the end of the plan.

        Args:
            resume: go on from the last checkpoint; where there is none, start over.

        Returns:
            The last record: update, epoch and the figures of the last validation.

        Raises:
            TrainingError: NaN or infinity in an input, a loss or a gradient.
            Interrupted: Ctrl-C or SIGTERM, after a checkpoint.
        """
        self._start(resume)
        self.objective.train()
        record: dict[str, Any] = {}
        with stop_on_signals() as request:
            for window in self._all_windows():
                self._update(window)
                record = self._after_update(request) or record
                if record.get("stopped_early"):
                    break
        self.observer.finished(record)
        return record

    def _start(self, resume: bool) -> None:
        checkpoint = self.journal.load() if resume else None
        if checkpoint is None:
            self.processes.same_start(self.objective)
            if self.processes.is_first:
                self.journal.metrics.cut_after(-1)
        else:
            self.place = restore_snapshot(
                checkpoint, self.objective, self.optimisation, self.processes
            )
            for text in differences(checkpoint.manifest["environment"], self._environment()):
                self.observer.noted(f"not bit-identical from here on: {text}")
            if self.processes.is_first:
                self.journal.metrics.cut_after(self.place.update)
        self.observer.training_started(self.plan.updates, self.place.update)

    def _environment(self) -> dict[str, Any]:
        return describe_environment(self.device)

    def _all_windows(self) -> Iterator[Any]:
        """Windows, epoch after epoch, until the plan's updates are done."""
        while self.place.update < self.plan.updates:
            epoch = self.windows(self.place.epoch)
            if len(epoch) == 0:
                raise TrainingError("there is nothing to train on: the epoch has no windows")
            for window in self._read(epoch, self.place.window):
                yield window
                if self.place.update >= self.plan.updates:
                    return
            self.place.epoch, self.place.window = self.place.epoch + 1, 0

    def _read(self, epoch: Any, start: int) -> Iterator[Any]:
        """The windows of an epoch from number `start` on, in order whatever the workers."""
        order = range(start, len(epoch))
        if self.plan.workers == 0:
            return (epoch[index] for index in order)
        # A generator of its own: the loader would draw its seed from the training's.
        return iter(
            DataLoader(
                epoch,
                batch_size=None,
                sampler=order,
                num_workers=self.plan.workers,
                generator=torch.Generator(),
            )
        )

    def _update(self, window: Any) -> None:
        """One update from one window."""
        place, units = self.place, window.units
        window = _to_device(window, self.device)
        check_inputs(window, place.update + 1)
        rate = self.optimisation.set_rate(place.update)
        count = self._count(units)
        carried = None if window.fresh else place.carried
        totals, losses, states = [], [], []
        for part, state in _slices(window, carried, self.plan.micro_batches):
            with self._autocast():
                result = self.objective(part, state)
            (result.total / count).backward()
            totals.append(result.total.detach())
            losses.append((result.first_step, result.losses))
            states.append(result.carried)
        place.carried = states[0] if len(states) == 1 else stack(states)
        place.update, place.window = place.update + 1, place.window + 1
        self.processes.sum_gradients(self.parameters)
        norm, clipped = self.plan.clipping.apply(self.parameters)
        total = self.processes.sum(torch.stack(totals).sum())
        figures = torch.stack([total.float() / count, norm.float(), clipped.float()])
        loss, gradient_norm, was_clipped = figures.tolist()
        check_update(loss, gradient_norm, place.update, window, losses)
        self.optimisation.optimiser.step()
        self.optimisation.optimiser.zero_grad()
        if self.optimisation.averaging is not None:
            self.optimisation.averaging.updated()
        self.tally.add(loss, gradient_norm, was_clipped, rate, count)

    def _count(self, units: int) -> int:
        """Counted targets of the window, over all processes; at least 1."""
        if self.processes.world_size > 1:
            units = int(self.processes.sum(torch.tensor(units, device=self.device)))
        return max(1, units)

    def _autocast(self) -> Any:
        if self.plan.precision == "32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def _after_update(self, request: StopRequest) -> dict[str, Any] | None:
        """Records, validation and checkpoint, where due; stops where asked to."""
        update, plan = self.place.update, self.plan
        ended = update >= plan.updates
        if update % plan.record_every == 0 or ended:
            self._record({**self.tally.summary(), "update": update, "epoch": self.place.epoch})
        record, improved = None, False
        if self.validate is not None and (update % plan.validate_every == 0 or ended):
            record, improved = self._validate()
        stop = self.processes.from_first(request.exit_code)
        if ended or stop or record is not None or update % plan.checkpoint_every == 0:
            self._checkpoint(best=improved)
        if stop and not ended:
            raise Interrupted(stop)
        return record or ({"update": update, "epoch": self.place.epoch} if ended else None)

    def _record(self, record: dict[str, Any]) -> None:
        if self.processes.is_first:
            self.journal.metrics.append(record)
            self.observer.updated(record["update"], record)

    def _validate(self) -> tuple[dict[str, Any], bool]:
        """The figures now, and whether they are the best so far."""
        figures: dict[str, Any] = {}
        if self.processes.is_first and self.validate is not None:
            averaging = self.optimisation.averaging
            self.objective.eval()
            with averaging.in_place() if averaging else nullcontext(), torch.no_grad():
                figures = self.validate(self.objective.model)
            self.objective.train()
        figures = self.processes.from_first(figures)
        loss, place = figures["nats_per_unit"], self.place
        improved = math.isfinite(loss) and (place.best is None or loss < place.best)
        place.best, place.waited = (loss, 0) if improved else (place.best, place.waited + 1)
        self.optimisation.schedule.validated(loss)
        if self.optimisation.averaging is not None:
            self.optimisation.averaging.validated(loss)
        record = {"update": place.update, "epoch": place.epoch, "validation": figures}
        if self.plan.patience is not None and place.waited >= self.plan.patience:
            record["stopped_early"] = True
        if self.processes.is_first:
            self.journal.metrics.append(record)
            self.observer.validated(record)
        self.tally.restart_clock()
        return record, improved

    def _checkpoint(self, *, best: bool) -> None:
        tensors, content = take_snapshot(
            self.objective.model, self.optimisation, self.place, self.processes
        )
        if self.processes.is_first:
            content["environment"] = self._environment()
            content["finished"] = self.place.update >= self.plan.updates
            folder = self.journal.save(self.place.update, tensors, content, best=best)
            self.observer.checkpointed(folder)


class _Tally:
    """Sums over the updates that one line of metrics covers."""

    def __init__(self) -> None:
        self._clear()
        self.since = time.perf_counter()

    def _clear(self) -> None:
        self.updates, self.units = 0, 0
        self.nats, self.norm, self.clipped, self.rate = 0.0, 0.0, 0.0, 0.0

    def add(self, nats: float, norm: float, clipped: float, rate: float, units: int) -> None:
        self.updates, self.units, self.rate = self.updates + 1, self.units + units, rate
        self.nats, self.norm = self.nats + nats * units, self.norm + norm
        self.clipped += clipped

    def summary(self) -> dict[str, float]:
        """The record of these updates; the sums start again from zero."""
        now, updates = time.perf_counter(), max(1, self.updates)
        seconds = max(now - self.since, 1e-9)
        record = {
            "nats_per_unit": self.nats / max(1, self.units),
            "gradient_norm": self.norm / updates,
            "clipped_share": self.clipped / updates,
            "learning_rate": self.rate,
            "units_per_s": self.units / seconds,
            "updates_per_s": self.updates / seconds,
        }
        self._clear()
        self.since = now
        return record

    def restart_clock(self) -> None:
        """Leave out of the speed what was no training."""
        self.since = time.perf_counter()


def _to_device(window: Any, device: torch.device) -> Any:
    if device.type == "cpu":
        return window
    moved = {
        name: value.to(device, non_blocking=True)
        for name, value in window._asdict().items()
        if isinstance(value, Tensor)
    }
    return window._replace(**moved)


def _slices(window: Any, carried: Any, count: int) -> Iterator[tuple[Any, Any]]:
    """The window's rows in `count` slices, each with its rows of the carried state."""
    if count == 1:
        yield window, carried
        return
    rows = window.inputs.shape[0]
    size = -(-rows // count)
    for start in range(0, rows, size):
        part = slice(start, start + size)
        tensors = {k: v[part] for k, v in window._asdict().items() if isinstance(v, Tensor)}
        yield window._replace(**tensors), None if carried is None else select(carried, part)
