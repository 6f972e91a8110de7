"""The run's figures as JSON lines, one record a line."""

import json
import os
from pathlib import Path
from typing import Any

from ostinato.checkpoint import write_text


class Metrics:
    """Appends records to a file of JSON lines.

    Args:
        path: the file; made when the first record comes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: dict[str, Any]) -> None:
        """Add one record; it is in the file when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def flush(self) -> None:
        """Put what was written on the disk, so that no checkpoint knows of more than it."""
        if self.path.exists():
            with open(self.path, "rb") as file:
                os.fsync(file.fileno())

    def last(self) -> dict[str, Any]:
        """The last record; empty where there is none."""
        records = read_metrics(self.path) if self.path.exists() else []
        return records[-1] if records else {}

    def cut_after(self, update: int) -> None:
        """Drop what was written after the checkpoint of `update`, and a half-written last line."""
        if not self.path.exists():
            return
        kept = [record for record in read_metrics(self.path) if record.get("update", 0) <= update]
        write_text(self.path, "".join(json.dumps(record) + "\n" for record in kept))


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All records of a file of JSON lines, up to a line that is cut off or damaged."""
    records = []
    for line in path.read_bytes().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            break
        if not isinstance(record, dict):
            break
        records.append(record)
    return records
