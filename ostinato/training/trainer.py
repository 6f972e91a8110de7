"""The training loop: windows in, updates out, and at any moment a run that can go on."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ostinato.errors import SettingsError, TrainingError
from ostinato.state import stack
from ostinato.training.comparison import compared
from ostinato.training.device import move_window
from ostinato.training.environment import describe_environment, differences
from ostinato.training.guard import (
    WHAT_HELPS,
    check_weights,
    find_bad_input,
    find_bad_update,
    find_bad_validation,
)
from ostinato.training.interruption import Interrupted, StopRequest, stop_on_signals
from ostinato.training.journal import Journal
from ostinato.training.micro_batches import slices
from ostinato.training.observer import Observer
from ostinato.training.plan import Optimisation, TrainingPlan
from ostinato.training.processes import Processes
from ostinato.training.snapshot import Place, restore_snapshot, take_snapshot
from ostinato.training.tally import Tally
from ostinato.training.through_pairs import ThroughPairs
from ostinato.training.through_time import ThroughTime
from ostinato.training.window_by_window import WindowByWindow

Validate = Callable[[nn.Module], dict[str, Any]]


class Trainer:
    """Trains an objective on windows, with carried state, exactly resumable.

    Args:
        objective: `ThroughTime(model)`, `WindowByWindow(model)`, `ThroughPairs(model)`, or anything
            called as they are.
        windows: gives the windows of an epoch, by its number: something with a length, indexed.
        plan: how long and within what limits.
        optimisation: optimiser, schedule, averaging.
        journal: where checkpoints and metrics go.
        validate: gives a model's figures, `nats_per_unit` among them; see `compared` for which of
            them makes a validation the best. None: no validation.
        observer: hears of everything that happens.
        processes: this process among those of the run.
    """

    def __init__(
        self,
        objective: ThroughTime | WindowByWindow | ThroughPairs,
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
        if not self.parameters:
            raise SettingsError("the model has no parameter that can be trained")
        self.device = self.parameters[0].device
        self.environment: dict[str, Any] = {}
        self.place = Place()
        self.tally = Tally()
        self.saved_at = time.monotonic()

    def run(self, *, resume: bool = False) -> dict[str, Any]:
        """Train to the end of the plan.

        Args:
            resume: go on from the last checkpoint; where there is none, start over.

        Returns:
            The last record: update, epoch and the figures of the last validation.

        Raises:
            TrainingError: NaN or infinity in an input, a loss, a gradient or a weight.
            CheckpointError: the run's last checkpoint cannot be gone on from.
            Interrupted: Ctrl-C or SIGTERM, after a checkpoint.
        """
        self.objective.train()
        self.environment = describe_environment(self.device, self.objective)
        record = self._start(resume)
        with stop_on_signals() as request:
            for window in self._all_windows():
                wishes = self._update(window, request)
                record = self._after_update(wishes) or record
        self.observer.finished(record)
        return record

    def _start(self, resume: bool) -> dict[str, Any]:
        """Make ready to train or to go on; gives the last record there is."""
        checkpoint = self.journal.load() if resume else None
        if checkpoint is None:
            self.processes.same_start(self.objective)
        else:
            self.place = restore_snapshot(
                checkpoint, self.objective, self.optimisation, self.processes
            )
            self.tally.load(checkpoint.manifest.get("tally", {}))
            for text in differences(checkpoint.manifest["environment"], self.environment):
                self.observer.noted(f"not bit-identical from here on: {text}")
        record: dict[str, Any] = {}
        if self.processes.is_first:
            self.journal.metrics.cut_after(-1 if checkpoint is None else self.place.update)
            record = self.journal.metrics.last()
        self.observer.training_started(self.plan.updates, self.place.update)
        self.tally.restart_clock()
        return self.processes.from_first(record)

    def _has_ended(self) -> bool:
        """Whether all updates are done, or the plan's patience is at its end."""
        patience = self.plan.patience
        out_of_patience = patience is not None and self.place.waited >= patience
        return self.place.update >= self.plan.updates or out_of_patience

    def _all_windows(self) -> Iterator[Any]:
        """Windows, epoch after epoch, until the run has ended."""
        while not self._has_ended():
            epoch = self.windows(self.place.epoch)
            if len(epoch) == 0:
                raise TrainingError("there is nothing to train on: the epoch has no windows")
            for window in self._timed(self._read(epoch, self.place.window)):
                yield window
                if self._has_ended():
                    return
            self.place.epoch, self.place.window = self.place.epoch + 1, 0

    def _timed(self, windows: Iterator[Any]) -> Iterator[Any]:
        """The same windows, with the time that each is waited for in the tally."""
        while True:
            started = time.perf_counter()
            window = next(windows, None)
            if window is None:
                return
            self.tally.waited(time.perf_counter() - started)
            yield window

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

    def _update(self, window: Any, request: StopRequest) -> "_Wishes":
        """One update from one window; gives what the processes wish for after it."""
        place = self.place
        rate = self.optimisation.set_rate(place.update)
        place.update, place.window = place.update + 1, place.window + 1
        count = self._count(window)
        window = move_window(window, self.device)
        total, losses = self._backward(window, count)
        self.processes.sum_gradients(self.parameters)
        norm, clipped = self.plan.clipping.apply(self.parameters)
        # The only wait for the device in an update: all figures come in one message.
        shared = self.processes.sum(torch.cat([total.view(1), self._wishes(request)]))
        figures = torch.cat([shared, torch.stack([norm.double(), clipped.double()])]).tolist()
        loss, norm_before, was_clipped = figures[0] / count, figures[-2], figures[-1]
        if not (math.isfinite(loss) and math.isfinite(norm_before)):
            self._stop_at(window, loss, norm_before, losses)
        self.optimisation.optimiser.step()
        self.optimisation.optimiser.zero_grad()
        if self.optimisation.averaging is not None:
            self.optimisation.averaging.updated()
        examples = len(window.inputs) * self.processes.world_size
        self.tally.add(loss, norm_before, was_clipped, rate, count, examples)
        return _Wishes(*figures[1:-2])

    def _count(self, window: Any) -> int:
        """Counted targets of the window, over all processes, at least 1; refuses bad inputs."""
        problem = find_bad_input(window, self.place.update)
        units, problems = window.units, int(problem is not None)
        if self.processes.world_size > 1:
            both = torch.tensor([units, problems], device=self.device)
            units, problems = self.processes.sum(both).tolist()
        if problems:
            self.processes.stop_together(problem)
        return max(1, units)

    def _backward(self, window: Any, count: int) -> tuple[Tensor, list[tuple[int, Tensor]]]:
        """Add the gradient of the window up; gives its total loss and all losses, by slice."""
        carried = None if window.fresh else self.place.carried
        totals, losses, states = [], [], []
        for part, state in slices(window, carried, self.plan.micro_batches):
            with self._autocast():
                result = self.objective(part, state)
            (result.total / count).backward()
            totals.append(result.total.detach())
            losses.append((result.first_step, result.losses))
            states.append(result.carried)
        self.place.carried = states[0] if len(states) == 1 else stack(states)
        return torch.stack(totals).sum().double(), losses

    def _wishes(self, request: StopRequest) -> Tensor:
        """This process's wishes, as numbers that can be added up."""
        seconds = self.plan.checkpoint_seconds
        due = seconds is not None and time.monotonic() - self.saved_at >= seconds
        mine = _Wishes(request.exit_code == 130, request.exit_code == 143, due)
        return torch.tensor(mine, dtype=torch.double, device=self.device)

    def _stop_at(
        self, window: Any, loss: float, norm: float, losses: list[tuple[int, Tensor]]
    ) -> None:
        """Stop every process, in the words of the one whose window is at fault."""
        update, model = self.place.update, self.objective.model
        self.processes.stop_together(find_bad_update((loss, norm), update, window, losses, model))
        raise TrainingError(
            f"update {update}: training diverged: the loss is {loss}, too large to be added up; "
            f"{WHAT_HELPS}"
        )

    def _autocast(self) -> Any:
        if self.plan.precision == "32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def _after_update(self, wishes: "_Wishes") -> dict[str, Any] | None:
        """Records, validation and checkpoint, where due; stops where asked to."""
        update, plan = self.place.update, self.plan
        ended = update >= plan.updates
        if update % plan.record_every == 0 or ended:
            self._record_updates()
        record, improved = None, False
        if self.validate is not None and (update % plan.validate_every == 0 or ended):
            record, improved = self._validate()
        due = wishes.save or update % plan.checkpoint_every == 0
        if ended or wishes.stop or record is not None or due:
            self._checkpoint(best=improved)
        if wishes.stop and not self._has_ended():
            raise Interrupted(143 if wishes.terminate else 130, self.journal.folder)
        return record or ({"update": update, "epoch": self.place.epoch} if ended else None)

    def _record_updates(self) -> None:
        """A line of metrics on the updates since the last, where there are any."""
        if self.tally.updates == 0:
            return
        update, epoch = self.place.update, self.place.epoch
        record = {**self.tally.summary(), "update": update, "epoch": epoch}
        if self.processes.is_first:
            self.journal.metrics.append(record)
            self.observer.updated(update, record)

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
        loss, place = compared(figures), self.place
        problem = find_bad_validation(figures, place.update)
        if problem is not None:
            self._record_updates()
            raise TrainingError(problem)
        improved = place.best is None or loss < place.best
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
        check_weights(self.objective.model, self.place.update)
        tensors, content = take_snapshot(
            self.objective.model, self.optimisation, self.place, self.processes
        )
        if self.processes.is_first:
            content["environment"] = self.environment
            content["finished"] = self._has_ended()
            content["tally"] = self.tally.state()
            folder = self.journal.save(self.place.update, tensors, content, best=best)
            self.observer.checkpointed(folder)
        self.saved_at = time.monotonic()


class _Wishes(NamedTuple):
    """What is wished for after an update, each the number of processes that do (0: none).

    `interrupt`: stop, as Ctrl-C does; `terminate`: stop, as SIGTERM does; `save`: a checkpoint.
    """

    interrupt: float
    terminate: float
    save: float

    @property
    def stop(self) -> bool:
        return bool(self.interrupt or self.terminate)
