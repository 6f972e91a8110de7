"""The checkpoints of a run: `last` and `best`, found again after any kind of end."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ostinato.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, write_text
from ostinato.errors import CheckpointError
from ostinato.training.metrics import Metrics


class Journal:
    """Checkpoints and metrics in a run's folder.

        FOLDER/metrics.jsonl
        FOLDER/checkpoints/update-00000120/    each checkpoint
        FOLDER/checkpoints/last, best          one line each: the name of a checkpoint

    Args:
        folder: the run's folder.
        fingerprint: SHA-256 of the data; a checkpoint made on other data is refused.
    """

    def __init__(self, folder: Path, fingerprint: str = "") -> None:
        self.folder = folder
        self.checkpoints = folder / "checkpoints"
        self.fingerprint = fingerprint
        self.metrics = Metrics(folder / "metrics.jsonl")

    def find(self, pointer: str = "last") -> Path | None:
        """The folder that `last` or `best` points to, or None."""
        path = self.checkpoints / pointer
        return self.checkpoints / path.read_text().strip() if path.is_file() else None

    def load(self, pointer: str = "last") -> Checkpoint | None:
        """The checkpoint that `last` or `best` points to; None before the first.

        Raises:
            CheckpointError: it is damaged, or was made on other data.
        """
        folder = self.find(pointer)
        if folder is None:
            return None
        checkpoint = self._load(pointer, folder)
        made_on = checkpoint.manifest.get("fingerprint", "")
        if self.fingerprint and made_on != self.fingerprint:
            raise CheckpointError(
                f"this run was trained on other data (SHA-256 {made_on[:12]}..., now "
                f"{self.fingerprint[:12]}...): going on would not be the same run; to train on "
                "the new data from these weights, start a run with --initial-weights"
            )
        return checkpoint

    def _load(self, pointer: str, folder: Path) -> Checkpoint:
        """The checkpoint in `folder`, or the newer one that a running training put in its place."""
        try:
            return load_checkpoint(folder)
        except CheckpointError:
            newer = self.find(pointer)
            if newer is None or newer == folder:
                raise
            return self._load(pointer, newer)

    def save(
        self,
        update: int,
        tensors: Mapping[str, Mapping[str, Tensor]],
        manifest: Mapping[str, Any],
        *,
        best: bool,
    ) -> Path:
        """Write the checkpoint of `update`, point `last` (and `best`) to it, drop the others."""
        self.metrics.flush()
        name = self._free_name(update)
        content = {**manifest, "update": update, "fingerprint": self.fingerprint}
        save_checkpoint(self.checkpoints / name, tensors, content)
        if best:
            # Before `last`: a run killed between the two comes here again. The other way round
            # `last` would know of a best that `best` never came to point to.
            write_text(self.checkpoints / "best", name)
        write_text(self.checkpoints / "last", name)
        self._drop_others()
        return self.checkpoints / name

    def _free_name(self, update: int) -> str:
        """A name that nothing points to, so that what is pointed to is never taken away."""
        name = f"update-{update:08d}"
        while self.checkpoints / name in (self.find("last"), self.find("best")):
            name += "-again"
        return name

    def _drop_others(self) -> None:
        """Drop older checkpoints, and what a killed process left half written."""
        kept = {self.find("last"), self.find("best")}
        for path in self.checkpoints.glob("update-*"):
            if path not in kept:
                shutil.rmtree(path, ignore_errors=True)
        for path in self.checkpoints.glob("*.writing-*"):
            path.unlink(missing_ok=True)


def load_model_weights(folder: Path, pointer: str = "best") -> Checkpoint:
    """The checkpoint of a run from which to evaluate or generate: `best`, else `last`.

    Raises:
        CheckpointError: the run has no checkpoint yet, or it is damaged.
    """
    journal = Journal(folder)
    checkpoint = journal.load(pointer) or journal.load("last")
    if checkpoint is None:
        raise CheckpointError(
            f"{folder} has no checkpoint yet: the run was stopped before its first; "
            f"train it with: ostinato resume {folder}"
        )
    return checkpoint
