"""The compiled functions against wider numbers of numpy: accuracy, special values, limits."""

import ctypes
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ostinato.engine.cpu.machine_code import machine_code
from ostinato.engine.cpu.mathematics import FUNCTIONS, definitions
from ostinato.engine.cpu.target import (
    Scalar,
    Target,
    avx2_target,
    host_target,
    portable_target,
)
from ostinato.engine.cpu.writer import Writer, declarations

HOST = host_target()
TARGETS = [
    pytest.param(HOST, id=f"host-{HOST.name}"),
    pytest.param(
        avx2_target(),
        id="avx2",
        marks=pytest.mark.skipif(HOST.name == "portable", reason="needs AVX2"),
    ),
    pytest.param(portable_target(), id="portable"),
]
WIDE = np.longdouble
needs_wide_numbers = pytest.mark.skipif(
    np.finfo(WIDE).eps == np.finfo(np.float64).eps, reason="long double is double here"
)

EXACT: dict[str, Callable[[NDArray], NDArray]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "erf": lambda x: torch.erf(torch.from_numpy(x.astype(np.float64))).numpy(),
}
BOUNDS = {
    "exp": {"float": 1.2, "double": 1.2},
    "expm1": {"float": 2.1, "double": 2.8},
    "log": {"float": 0.9, "double": 0.9},
    "log1p": {"float": 1.5, "double": 1.5},
    "sigmoid": {"float": 3.1, "double": 2.5},
    "tanh": {"float": 3.5, "double": 3.3},
    "erf": {"float": 4.1, "double": 2.5},
}
"""In units in the last place. The exact erf of a double is itself off by up to one."""

SPECIAL = [
    ("exp", -math.inf, 0.0),
    ("exp", -2000.0, 0.0),
    ("exp", 0.0, 1.0),
    ("exp", -0.0, 1.0),
    ("exp", 2000.0, math.inf),
    ("exp", math.inf, math.inf),
    ("expm1", -math.inf, -1.0),
    ("expm1", -2000.0, -1.0),
    ("expm1", -0.0, -0.0),
    ("expm1", 0.0, 0.0),
    ("expm1", 2000.0, math.inf),
    ("expm1", math.inf, math.inf),
    ("log", -math.inf, math.nan),
    ("log", -1.0, math.nan),
    ("log", -0.0, -math.inf),
    ("log", 0.0, -math.inf),
    ("log", 1.0, 0.0),
    ("log", math.inf, math.inf),
    ("log1p", -math.inf, math.nan),
    ("log1p", -2.0, math.nan),
    ("log1p", -1.0, -math.inf),
    ("log1p", -0.0, -0.0),
    ("log1p", 0.0, 0.0),
    ("log1p", math.inf, math.inf),
    ("sigmoid", -math.inf, 0.0),
    ("sigmoid", -2000.0, 0.0),
    ("sigmoid", 0.0, 0.5),
    ("sigmoid", -0.0, 0.5),
    ("sigmoid", 2000.0, 1.0),
    ("sigmoid", math.inf, 1.0),
    *((name, sign * large, sign) for name in ("tanh", "erf") for sign in (-1.0, 1.0)
      for large in (30.0, 1e30, math.inf)),
    *((name, zero, zero) for name in ("tanh", "erf") for zero in (-0.0, 0.0)),
    *((name, math.nan, math.nan) for name in FUNCTIONS),
]  # fmt: skip


def kind_of(scalar: Scalar) -> type:
    return np.float32 if scalar == "float" else np.float64


def applied(name: str, target: Target, inputs: NDArray) -> NDArray:
    """The compiled function of each of `inputs`."""
    padded = np.resize(inputs, -(-inputs.size // target.lanes) * target.lanes)
    outputs = np.empty_like(padded)
    pointer = ctypes.c_void_p
    kind = ctypes.CFUNCTYPE(None, pointer, pointer, ctypes.c_int64)
    code = machine_code(module(name, target), target)
    kind(code.address("apply"))(padded.ctypes.data, outputs.ctypes.data, padded.size)
    return outputs[: inputs.size]


def module(name: str, target: Target) -> str:
    """A function that applies `name` to an array."""
    write, vector = Writer(target), target.vector
    with write.loop(0, "%count", target.lanes) as index:
        x = write.load(write.at("%inputs", index))
        y = write.assign(f"call {vector} @v_{name}({vector} {x})")
        write.store(y, write.at("%outputs", index))
    head = "define void @apply(ptr %inputs, ptr %outputs, i64 %count) {"
    body = [head, *write.entry, *write.lines, "  ret void", "}"]
    return "\n".join([declarations(target), definitions(target, [name]), *body])


def worst_error(outputs: NDArray, exact: NDArray) -> float:
    """In units in the last place of the exact result; infinite where NaN or infinity differ."""
    rounded = exact.astype(outputs.dtype)
    error = np.abs(outputs - exact) / np.spacing(np.abs(rounded))
    differs = np.where((outputs == rounded) | (np.isnan(outputs) & np.isnan(rounded)), 0, np.inf)
    return float(np.where(np.isfinite(rounded), error, differs).max())


def error_of(name: str, target: Target, inputs: NDArray, wide: type) -> float:
    with np.errstate(all="ignore"):
        exact = EXACT[name](inputs.astype(wide)).astype(wide)
        return worst_error(applied(name, target, inputs), exact)


def in_domain(name: str, inputs: NDArray) -> NDArray:
    """Without those where sigmoid may give 0 for a denormal number."""
    lowest = -87.0 if inputs.dtype == np.float32 else -708.0
    return inputs[~(inputs < lowest)] if name == "sigmoid" else inputs


def floats(first: int, last: int, step: int) -> NDArray[np.float32]:
    """The floats whose bits, read as whole numbers, are first, first + step, ..."""
    return np.arange(first, last, step, dtype=np.int64).astype(np.uint32).view(np.float32)


def doubles() -> NDArray[np.float64]:
    """Of all exponents, of the exponents around 1, and evenly drawn."""
    draw, count = np.random.default_rng(0), 8000
    mantissas = draw.uniform(1, 2, (2, count))
    spread = np.ldexp(mantissas[0], draw.integers(-1074, 1024, count))
    near = np.ldexp(mantissas[1], draw.integers(-55, 11, count))
    positive = np.concatenate([spread, near, draw.uniform(0, 40, count)])
    return np.concatenate([positive, -positive])


def chunks_of_all_floats() -> Iterator[NDArray[np.float32]]:
    size = 1 << 22
    return (floats(first, first + size, 1) for first in range(0, 1 << 32, size))


def bits_of(number: float) -> int:
    return int(np.float32(number).view(np.uint32))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_float_result_is_within_its_bound_over_a_grid_of_bit_patterns(
    name: str, target: Target
) -> None:
    inputs = in_domain(name, floats(0, 1 << 32, 16411))
    assert error_of(name, target, inputs, np.float64) <= BOUNDS[name]["float"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_float_result_is_within_its_bound_for_every_float(name: str, target: Target) -> None:
    worst = max(
        error_of(name, target, in_domain(name, inputs), np.float64)
        for inputs in chunks_of_all_floats()
    )
    assert worst <= BOUNDS[name]["float"]


@needs_wide_numbers
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_double_result_is_within_its_bound_over_sampled_exponents(
    name: str, target: Target
) -> None:
    inputs = in_domain(name, doubles())
    error = error_of(name, target.with_scalar("double"), inputs, WIDE)
    assert error <= BOUNDS[name]["double"]


@pytest.mark.parametrize("scalar", ["float", "double"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("name", "given", "expected"), SPECIAL)
def test_special_value_gives_its_limit_and_its_sign(
    name: str, given: float, expected: float, target: Target, scalar: Scalar
) -> None:
    inputs = np.full(target.lanes, given, kind_of(scalar))
    outputs = applied(name, target.with_scalar(scalar), inputs)
    assert [str(float(value)) for value in outputs] == [str(expected)] * target.lanes


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("name", "first", "last"), [("tanh", 7.0, 9.5), ("erf", 3.0, 4.5)])
def test_no_float_exceeds_one_where_the_result_nears_one(
    name: str, first: float, last: float, target: Target
) -> None:
    inputs = floats(bits_of(first), bits_of(last), 1)
    outputs = applied(name, target, np.concatenate([inputs, -inputs]))
    assert np.abs(outputs).max() == 1


@pytest.mark.parametrize("target", TARGETS)
def test_sigmoid_below_the_smallest_normal_number_is_right_or_zero(target: Target) -> None:
    inputs = floats(bits_of(-87.4), bits_of(-110.0), 7)
    outputs = applied("sigmoid", target, inputs)
    exact = EXACT["sigmoid"](inputs.astype(np.float64))
    assert worst_error(outputs[outputs > 0], exact[outputs > 0]) <= 2
    assert (outputs[inputs > -88.0] > 0).all()


@pytest.mark.parametrize("target", TARGETS)
def test_a_function_asked_for_twice_is_defined_once(target: Target) -> None:
    text = definitions(target, ["tanh", "exp", "tanh"])
    assert [text.count(f"@v_{name}(") for name in ("tanh", "exp", "log")] == [1, 1, 0]
