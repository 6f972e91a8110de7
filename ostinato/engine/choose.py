"""Which engine runs a cell: a fixed rule, no measurement, so that a run repeats bit for bit."""

from dataclasses import dataclass
from typing import Any

import torch

from ostinato.engine.compiled import CompiledCall
from ostinato.engine.parallel import parallel_obstacle
from ostinato.engine.precision import Products, refuse_other_kinds
from ostinato.engine.reading import Noise, Reading, Steps
from ostinato.errors import EngineError, SettingsError

ENGINES = ("reference", "pointwise", "vendor", "parallel", "compiled")


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
    library = "oneDNN" if torch.backends.mkldnn.is_available() else "torch's own loops"
    kernels = f"{library} on the CPU" + (", cuDNN on the GPU" if torch.cuda.is_available() else "")
    return [
        _compiled_availability(),
        Availability("vendor", True, f"torch's fused LSTM, GRU and RNN ({kernels})"),
        Availability("pointwise", True, "cells without a state: all steps at once"),
        Availability("parallel", True, "linear recurrences, asked for: all steps in a few passes"),
        Availability("reference", True, "any cell, a loop over time in PyTorch"),
    ]


def _compiled_availability() -> Availability:
    """The compiled engine, and the machine it writes code for."""
    try:
        from ostinato.engine.cpu.target import host_target

        target = host_target()
    except ImportError:
        return Availability("compiled", False, "llvmlite is not installed: pip install llvmlite")
    name = {"avx512": "AVX-512", "avx2": "AVX2"}.get(target.name, "any processor")
    return Availability("compiled", True, f"any cell, as machine code on the CPU ({name})")


def check_engine(engine: str | None) -> None:
    """Raise SettingsError unless `engine` is one of ours, or None for the fixed rule."""
    if engine is not None and engine not in ENGINES:
        raise SettingsError(f"engine must be one of {', '.join(ENGINES)} or None, got {engine!r}")


def choose(
    cell: Steps,
    noise: Noise,
    *,
    engine: str | None,
    all_states: bool,
    products: Products | None = None,
    watched: bool = False,
    compiled: CompiledCall | None = None,
) -> Choice:
    """The engine for `cell` under `noise`, or the one asked for.

    Args:
        products: the numbers that products are computed in, as `unroll` takes them.
        watched: whether the gradients of single steps are asked for.
        compiled: the call as the compiled engine would run it; None: one with whole sequences.

    Raises:
        EngineError: the engine asked for cannot compute this; the message says why.
    """
    check_engine(engine)
    if torch.onnx.is_in_onnx_export():
        engine = None  # what is asked for here does not run there
    if products is not None:
        refuse_other_kinds(cell, products)
    if engine == "reference":
        return Choice("reference", "asked for")
    if compiled is None:
        compiled = CompiledCall(
            cell, None, Reading(), noise, all_states=all_states, products=products
        )

    def obstacle_of(name: str) -> str | None:
        if watched and name != "compiled":
            return "it keeps the gradients of single steps to itself, and they are watched"
        if name == "parallel":
            return parallel_obstacle(cell, noise)
        if not cell.state_sizes or name == "pointwise":
            return _pointwise_obstacle(cell, name)
        if name == "vendor":
            return vendor_obstacle(cell, noise, all_states=all_states, products=products)
        return compiled.obstacle()

    if engine is not None:
        obstacle = obstacle_of(engine)
        if obstacle:
            name = type(cell).__name__
            raise EngineError(f"the {engine} engine cannot run {name} here: {obstacle}")
        return Choice(engine, "asked for")
    obstacles = []
    for name in ("pointwise", "compiled", "vendor"):
        obstacle = obstacle_of(name)
        if obstacle is None:
            reason = _REASONS[name]
            if name == "compiled" and compiled.form.rounded:
                reason += ", its products in bfloat16"
            return Choice(name, "; ".join([*obstacles, reason]))
        if name != "pointwise":
            obstacles.append(f"{name}: {obstacle}")
    return Choice("reference", "; ".join(obstacles))


_REASONS = {
    "pointwise": "the cell carries no state, so no step waits for another",
    "compiled": "the step is compiled for the whole loop",
    "vendor": "torch's fused kernel computes the same",
}


def _pointwise_obstacle(cell: Steps, name: str) -> str | None:
    if name == "pointwise":
        return "the cell carries a state from step to step" if cell.state_sizes else None
    return "the cell carries no state"


def vendor_obstacle(
    cell: Steps, noise: Noise, *, all_states: bool, products: Products | None = None
) -> str | None:
    """Why torch's fused kernels cannot compute this, or None where they can."""
    declared: Any = getattr(cell, "vendor_form", None)
    form = declared() if declared is not None and speaks_for_its_step(cell, "vendor_form") else None
    if form is None:
        return f"torch has no fused kernel for {type(cell).__name__} as it is set up"
    if noise.hidden is not None:
        return "recurrent dropout acts inside the time loop, which torch's kernels do not offer"
    if noise.keep is not None:
        return "zoneout acts inside the time loop, which torch's kernels do not offer"
    if all_states and form.kind == "lstm":
        return "torch's LSTM returns the memory of the last step only"
    if products == "bfloat16":
        return "torch's kernels do not add up products of bfloat16 numbers in float32"
    return None


def speaks_for_its_step(cell: Steps, declaration: str) -> bool:
    """Whether a declared form is that of the step: who changes one inherits the other wrongly."""
    line = type(cell).__mro__

    def age(name: str) -> int:
        return next(place for place, each in enumerate(line) if name in vars(each))

    return age(declaration) <= min(age("step"), age("project"))
