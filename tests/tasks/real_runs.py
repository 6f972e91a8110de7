"""Runs by the real command in a process of its own, and the weights that they end with."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from ostinato.checkpoint import load_checkpoint

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
OSTINATO = [sys.executable, "-m", "ostinato.cli"]


def flags(settings: dict[str, object]) -> list[str]:
    """Settings as options of the command line."""
    return [word for name, value in settings.items() for word in (f"--{name}", str(value))]


def run(*arguments: str) -> None:
    finished(OSTINATO, arguments)


def finished(program: list[str], arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [*program, *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]


def last_weights(folder: Path) -> dict[str, torch.Tensor]:
    name = (folder / "checkpoints" / "last").read_text()
    return load_checkpoint(folder / "checkpoints" / name).tensors["model"]


def assert_same_weights(one: Path, other: Path) -> None:
    expected = last_weights(other)
    assert all(torch.equal(value, expected[name]) for name, value in last_weights(one).items())
