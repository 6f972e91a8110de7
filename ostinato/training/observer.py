"""Who watches a run: the loop prints nothing itself, it tells an observer."""

from pathlib import Path
from typing import Any


class Observer:
    """Hears of everything that happens in a run, and here does nothing; subclass it to show it."""

    def preparing(self, done_bytes: int, total_bytes: int | None, what: str) -> None:
        """Data is being read: `done_bytes` of `total_bytes` (None: unknown)."""

    def run_started(self, folder: Path) -> None:
        """A run begins, or goes on; all of it lies in `folder`."""

    def training_started(self, updates: int, done: int) -> None:
        """Training begins, `done` of `updates` updates being done already."""

    def updated(self, update: int, record: dict[str, Any]) -> None:
        """An update is done; `record` is what goes into the metrics."""

    def validated(self, record: dict[str, Any]) -> None:
        """A validation is done."""

    def checkpointed(self, folder: Path) -> None:
        """A checkpoint lies in `folder`."""

    def evaluated(self, done_tokens: int, total_tokens: int) -> None:
        """A text is being predicted: `done_tokens` of `total_tokens`."""

    def noted(self, text: str) -> None:
        """Something that the person should know, as a changed environment."""

    def finished(self, record: dict[str, Any]) -> None:
        """The run is over."""
