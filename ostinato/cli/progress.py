"""The view of a run while it trains, on standard error: live on a terminal, else plain lines."""

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from ostinato.cli.figures import decimal, duration, size
from ostinato.cli.processes import is_first_process
from ostinato.tasks.run_folder import CONFIG, require_run
from ostinato.tasks.text.settings import UNITS, TextSettings
from ostinato.tasks.toml import read_toml
from ostinato.training.observer import Observer

_SECONDS_BETWEEN_LINES = 5.0
_NATS_PER_BIT = math.log(2)


@contextmanager
def watch_run(unit: str) -> Iterator[Observer]:
    """The observer that shows a training or an evaluation as long as this lasts.

    Args:
        unit: What a loss is of, in the singular: "character", "byte" or "token"; "pointer" or
            "tour" of a planner; "sentence" where sentences are translated.
    """
    if not is_first_process():
        yield Observer()
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield LiveView(bars, unit)
    else:
        yield PlainView(sys.stderr, unit)


def unit_of(folder: Path) -> str:
    """The unit of a run that exists.

    Raises:
        CheckpointError: `folder` holds no run.
    """
    require_run(folder)
    return UNITS[read_toml(folder / CONFIG, TextSettings).get("tokens", "characters")]


class Pace:
    """How a run goes: its last figures in words, and the time it still needs."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.updates, self.first, self.update = 0, 0, 0
        self.started = time.monotonic()
        self.training, self.validation = "", ""

    def start(self, updates: int, done: int) -> None:
        """The run of `updates` begins, or goes on after `done`."""
        self.updates, self.first, self.update = updates, done, done
        self.started = time.monotonic()

    def updated(self, update: int, record: dict[str, Any]) -> None:
        """Take the figures of the last updates."""
        self.update = update
        self.training = (
            f"{record['updates_per_s']:.1f} updates/s, "
            f"{record['units_per_s']:,.0f} {self.unit}s/s, "
            f"training {self._loss(record['nats_per_unit'])}"
        )

    def validated(self, record: dict[str, Any]) -> None:
        """Take the figures of a validation."""
        figures = record["validation"]
        named = figures.get(f"bits_per_{self.unit}")
        nats = figures["nats_per_unit"] if named is None else named * _NATS_PER_BIT
        self.update = max(self.update, record["update"])
        self.validation = f"validation {self._loss(nats)}"
        if "optimality_gap" in figures:
            self.validation += (
                f" (accuracy {figures['accuracy']:.1%}, {figures['optimality_gap']:.2%} from the "
                "best known)"
            )
        if "micro_f1" in figures:
            self.validation += f" (micro F1 {figures['micro_f1']:.2%})"
        elif "crps" in figures:
            self.validation += f" (CRPS over the horizon {figures['crps']:.4f})"
        elif "error" in figures:
            told = f"accuracy {figures['accuracy']:.2%}"
            if "span_f1" in figures:
                told = f"span F1 {figures['span_f1']:.2%}, {told}"
            self.validation += f" ({told})"
        if self.unit == "token" and "perplexity" in figures:
            self.validation += f" (perplexity {decimal(figures['perplexity'], 1)})"

    def _loss(self, nats: float) -> str:
        """In bits; the loss of a tour is its length, that of a horizon its error."""
        if self.unit == "tour":
            return f"length {decimal(nats, 3)}"
        if self.unit == "horizon value":
            return f"loss {decimal(nats, 4)}"
        return f"{decimal(nats / _NATS_PER_BIT, 3)} bits per {self.unit}"

    @property
    def parts(self) -> str:
        """What an evaluation counts."""
        if self.unit in ("sentence", "sample"):
            return f"{self.unit}s"
        if self.unit in ("value", "horizon value"):
            return "forecasts"
        return "points" if self.unit in ("pointer", "tour") else "tokens"

    @property
    def time_left(self) -> str:
        """`time left 1:23`, reckoned from all updates of this start; empty before the first."""
        done = self.update - self.first
        if done < 1:
            return ""
        seconds = (time.monotonic() - self.started) / done * (self.updates - self.update)
        return f"time left {duration(seconds)}"

    @property
    def line(self) -> str:
        """Everything known, in one line."""
        known = (self.training, self.validation, self.time_left)
        return ", ".join(part for part in known if part)


class PlainView(Observer):
    """A line every few seconds, for logs and pipes.

    Args:
        stream: Where lines go.
        unit: As in `watch_run`.
        every_s: Seconds between two lines.
    """

    def __init__(self, stream: TextIO, unit: str, every_s: float = _SECONDS_BETWEEN_LINES) -> None:
        self.stream = stream
        self.pace = Pace(unit)
        self.every_s = every_s
        self.last_line_at = -math.inf

    def preparing(self, done_bytes: int, total_bytes: int | None, what: str) -> None:
        if self._line_is_due():
            of = "" if total_bytes is None else f" of {size(total_bytes)}"
            self._print(f"{what}: {size(done_bytes)}{of}")

    def run_started(self, folder: Path) -> None:
        self._print(f"run: {folder}")

    def training_started(self, updates: int, done: int) -> None:
        self.pace.start(updates, done)
        after = f" after {done:,} done before" if done else ""
        self._print(f"training: {updates - done:,} updates{after}")

    def updated(self, update: int, record: dict[str, Any]) -> None:
        self.pace.updated(update, record)
        if self._line_is_due() or update == self.pace.updates:
            self._print(f"update {update:,} of {self.pace.updates:,}: {self.pace.line}")

    def validated(self, record: dict[str, Any]) -> None:
        self.pace.validated(record)
        self._print(f"update {record['update']:,}: {self.pace.validation}")
        if record.get("stopped_early"):
            self._print("stopped early: validation does not improve any more")

    def evaluated(self, done_tokens: int, total_tokens: int) -> None:
        if done_tokens == 0:  # a short one needs no line
            self.last_line_at = time.monotonic()
        elif self._line_is_due():
            self._print(f"evaluating: {done_tokens:,} of {total_tokens:,} {self.pace.parts}")

    def noted(self, text: str) -> None:
        self._print(f"note: {text}")

    def _line_is_due(self) -> bool:
        return time.monotonic() - self.last_line_at >= self.every_s

    def _print(self, line: str) -> None:
        self.last_line_at = time.monotonic()
        print(line, file=self.stream, flush=True)


class LiveView(Observer):
    """A bar with the figures below it, for terminals.

    Args:
        bars: Shown by the caller, with the columns of `_bars`.
        unit: As in `watch_run`.
    """

    def __init__(self, bars: Progress, unit: str) -> None:
        self.bars = bars
        self.pace = Pace(unit)
        self.task = bars.add_task("starting", total=None, figures="")

    def preparing(self, done_bytes: int, total_bytes: int | None, what: str) -> None:
        of = "" if total_bytes is None else f" of {size(total_bytes)}"
        self.bars.update(
            self.task,
            description=what,
            completed=done_bytes,
            total=total_bytes,
            figures=f"{size(done_bytes)}{of}",
        )

    def run_started(self, folder: Path) -> None:
        self._tell(f"run: {folder}")

    def training_started(self, updates: int, done: int) -> None:
        self.pace.start(updates, done)
        self._show(f"update {done:,} of {updates:,}")

    def updated(self, update: int, record: dict[str, Any]) -> None:
        self.pace.updated(update, record)
        self._show(f"update {update:,} of {self.pace.updates:,}")

    def validated(self, record: dict[str, Any]) -> None:
        self.pace.validated(record)
        self._show(f"update {self.pace.update:,} of {self.pace.updates:,}")
        if record.get("stopped_early"):
            self.noted("stopped early: validation does not improve any more")

    def checkpointed(self, folder: Path) -> None:
        self.bars.refresh()

    def evaluated(self, done_tokens: int, total_tokens: int) -> None:
        self.bars.update(
            self.task,
            description="evaluating",
            completed=done_tokens,
            total=total_tokens,
            figures=f"{done_tokens:,} of {total_tokens:,} {self.pace.parts}",
        )

    def noted(self, text: str) -> None:
        self._tell(f"note: {text}")

    def _tell(self, line: str) -> None:
        """A line above the bar, which stays."""
        self.bars.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _show(self, description: str) -> None:
        self.bars.update(
            self.task,
            description=description,
            completed=self.pace.update,
            total=self.pace.updates,
            figures=self.pace.line,
        )


class _Bars(Progress):
    """A bar, and the task's figures below it, where a narrow terminal has room to wrap them."""

    def get_renderables(self) -> Iterator[RenderableType]:
        for task in self.tasks:
            yield self.make_tasks_table([task])
            yield Text(task.fields["figures"])


def _bars() -> Progress:
    return _Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        console=Console(stderr=True),
        expand=True,
    )
