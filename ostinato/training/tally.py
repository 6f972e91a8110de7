"""Sums over the updates that one line of metrics covers."""

import time


class Tally:
    """Adds up updates, and gives their means and their speed as a record."""

    def __init__(self) -> None:
        self.since = time.perf_counter()
        self.load({})

    def waited(self, seconds: float) -> None:
        """Count seconds in which an update waited for its examples."""
        self.waited_s += seconds

    def add(
        self, nats: float, norm: float, clipped: float, rate: float, units: int, examples: int
    ) -> None:
        """Count one update: loss, gradient norm, whether clipped, rate, counted targets, rows."""
        self.timed_examples += examples
        self.updates, self.units, self.rate = self.updates + 1, self.units + units, rate
        self.timed_updates, self.timed_units = self.timed_updates + 1, self.timed_units + units
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
            "units_per_s": self.timed_units / seconds,
            "examples_per_s": self.timed_examples / seconds,
            "updates_per_s": self.timed_updates / seconds,
            "waiting_share": self.waited_s / seconds,
            "seconds": seconds if self.timed_updates else 0.0,
        }
        self.load({})
        self.since = now
        return record

    def restart_clock(self) -> None:
        """Leave out of the speed what was no training, and the updates before it."""
        self._clear_clock()
        self.since = time.perf_counter()

    def state(self) -> dict[str, float]:
        """What a checkpoint keeps, so that a resumed run writes the same lines."""
        return {
            "updates": self.updates,
            "units": self.units,
            "nats": self.nats,
            "norm": self.norm,
            "clipped": self.clipped,
            "rate": self.rate,
        }

    def load(self, state: dict[str, float]) -> None:
        """Go on from what `state()` gave; from nothing: start from zero."""
        self.updates, self.units = int(state.get("updates", 0)), int(state.get("units", 0))
        self.nats, self.norm = state.get("nats", 0.0), state.get("norm", 0.0)
        self.clipped, self.rate = state.get("clipped", 0.0), state.get("rate", 0.0)
        self._clear_clock()

    def _clear_clock(self) -> None:
        self.timed_updates, self.timed_units, self.timed_examples = 0, 0, 0
        self.waited_s = 0.0
