"""What was learned of a run's weights once, kept in its folder for as long as it has them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ostinato.checkpoint import write_text
from ostinato.errors import CheckpointError

T = TypeVar("T")


def save_kept(path: Path, content: dict[str, Any], weights: str) -> None:
    """Keep it; `weights` names the checkpoint that it is of."""
    write_text(path, json.dumps({"weights": weights, **content}))


def load_kept(path: Path, weights: str, read: Callable[[dict[str, Any]], T]) -> T | None:
    """What was kept, as `read` makes it of its content; None where nothing is of these weights.

    Raises:
        CheckpointError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return read(content) if content["weights"] == weights else None
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise CheckpointError(f"{path} is damaged: {problem}; delete it") from problem
