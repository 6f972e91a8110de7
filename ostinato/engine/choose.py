"""Which engine runs a cell: a fixed rule, no measurement, so that a run repeats bit for bit."""

from dataclasses import dataclass
from typing import Any

from ostinato.engine.reading import Noise, Steps
from ostinato.errors import EngineError, SettingsError

ENGINES = ("reference", "pointwise", "vendor")


@dataclass(frozen=True)
class Choice:
    """The engine that runs a cell, and why."""

    engine: str
    reason: str


@dataclass(frozen=True)
class Availability:
    """An engine, whether this machine has it, and why or what it is."""

    name: str
    available: bool
    why: str


def available() -> list[Availability]:
    """The engines of this build, each with whether this machine has it and why."""
    import torch

    library = "oneDNN" if torch.backends.mkldnn.is_available() else "torch's own loops"
    kernels = f"{library} on the CPU" + (", cuDNN on the GPU" if torch.cuda.is_available() else "")
    return [
        Availability("vendor", True, f"torch's fused LSTM, GRU and RNN ({kernels})"),
        Availability("pointwise", True, "cells without a state: all steps at once"),
        Availability("reference", True, "any cell, a loop over time in PyTorch"),
    ]


def check_engine(engine: str | None) -> None:
    """Raise SettingsError unless `engine` is one of ours, or None for the fixed rule."""
    if engine is not None and engine not in ENGINES:
        raise SettingsError(f"engine must be one of {', '.join(ENGINES)} or None, got {engine!r}")


def choose(cell: Steps, noise: Noise, *, engine: str | None, all_states: bool) -> Choice:
    """The engine for `cell` under `noise`, or the one asked for.

    Raises:
        EngineError: the engine asked for cannot compute this; the message says why.
    """
    check_engine(engine)
    if engine == "reference":
        return Choice("reference", "asked for")
    if not cell.state_sizes:
        obstacle = "the cell carries no state" if engine == "vendor" else None
        choice = Choice("pointwise", "the cell carries no state, so no step waits for another")
    else:
        obstacle = vendor_obstacle(cell, noise, all_states=all_states)
        choice = Choice("vendor", "torch's fused kernel computes the same")
    if engine is not None and (obstacle or engine != choice.engine):
        why = obstacle or f"this cell runs on {choice.engine}"
        raise EngineError(f"the {engine} engine cannot run {type(cell).__name__} here: {why}")
    return Choice("reference", obstacle) if obstacle else choice


def vendor_obstacle(cell: Steps, noise: Noise, *, all_states: bool) -> str | None:
    """Why torch's fused kernels cannot compute this, or None where they can."""
    declared: Any = getattr(cell, "vendor_form", None)
    form = declared() if declared is not None else None
    if form is None:
        return f"torch has no fused kernel for {type(cell).__name__} as it is set up"
    if noise.hidden is not None:
        return "recurrent dropout acts inside the time loop, which torch's kernels do not offer"
    if noise.keep is not None:
        return "zoneout acts inside the time loop, which torch's kernels do not offer"
    if all_states and form.kind == "lstm":
        return "torch's LSTM returns the memory of the last step only"
    return None
