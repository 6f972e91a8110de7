"""Large products, against numpy in double precision."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ostinato.engine.cpu.large_products import multiply, multiply_on
from ostinato.engine.cpu.target import Target, avx2_target, host_target, portable_target
from ostinato.errors import SettingsError, ShapeError

HOST = host_target()
WIDENING = replace(HOST, features=HOST.features.replace("+avx512bf16", "-avx512bf16"))
TARGETS = [
    pytest.param(HOST, id=f"host-{HOST.name}"),
    pytest.param(
        avx2_target(),
        id="avx2",
        marks=pytest.mark.skipif(HOST.name == "portable", reason="needs AVX2"),
    ),
    pytest.param(portable_target(), id="portable"),
]
KINDS = [
    pytest.param("float", "same", id="float"),
    pytest.param("double", "same", id="double"),
    pytest.param("float", "bfloat16", id="bfloat16"),
]
SHAPES = [(1, 1, 1), (7, 5, 3), (48, 64, 64), (49, 1025, 70), (131, 2051, 33), (5, 600, 2200)]
"""rows, K, columns: below and at one panel, tails on each side, more than one stretch of K, more
tiles than are packed at once."""

TOLERANCE = {"float": 2e-6, "double": 1e-14}
"""Of the sum of the products' sizes."""


def as_rows(matrix: torch.Tensor) -> torch.Tensor:
    return matrix


def as_columns(matrix: torch.Tensor) -> torch.Tensor:
    return matrix.t().contiguous().t()


def as_slice_of_rows(matrix: torch.Tensor) -> torch.Tensor:
    """Between two columns of numbers that show if they are read."""
    return torch.nn.functional.pad(matrix, (1, 1), value=float("nan"))[:, 1:-1]


def as_slice_of_columns(matrix: torch.Tensor) -> torch.Tensor:
    return as_slice_of_rows(matrix.t()).t()


def as_every_other_number(matrix: torch.Tensor) -> torch.Tensor:
    return matrix.repeat_interleave(2, 1).repeat_interleave(2, 0)[::2, ::2]


LAYOUTS = [as_rows, as_columns, as_slice_of_rows, as_slice_of_columns, as_every_other_number]


def matrices(rows: int, size: int, columns: int, scalar: str) -> tuple[torch.Tensor, torch.Tensor]:
    kind = torch.float32 if scalar == "float" else torch.float64
    return torch.randn(rows, size, dtype=kind), torch.randn(size, columns, dtype=kind)


def assert_product(
    left: torch.Tensor,
    right: torch.Tensor,
    target: Target,
    operand: str,
    *,
    before: float | None = None,
) -> None:
    """On one thread and on two, into a part of a wider matrix, added to `before` unless None."""
    adds = before is not None
    shape = left.shape[0] + 1, right.shape[1] + 2
    wide = torch.full(shape, float("nan") if before is None else before, dtype=left.dtype)
    again = wide.clone()
    for threads, out in ((1, wide), (2, again)):
        multiply_on(target, threads, left, right, out[:-1, 1:-1], add=adds, operand=operand)
    a, b = (each.bfloat16() if operand == "bfloat16" else each for each in (left, right))
    a, b = a.double().numpy(), b.double().numpy()
    start = before or 0.0
    error = np.abs(wide[:-1, 1:-1].double().numpy() - (a @ b + start))
    assert (error <= TOLERANCE[target.scalar] * (np.abs(a) @ np.abs(b) + abs(start))).all()
    assert torch.equal(again[:-1, 1:-1], wide[:-1, 1:-1])
    untouched = torch.cat([wide[-1], wide[:, 0], wide[:, -1]])
    expected = torch.full_like(untouched, float("nan") if before is None else before)
    torch.testing.assert_close(untouched, expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("scalar", "operand"), KINDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_product_is_numpy_product_on_any_number_of_threads_and_writes_nothing_else(
    target: Target, scalar: str, operand: str, shape: tuple[int, int, int]
) -> None:
    left, right = matrices(*shape, scalar)
    for left_layout in (as_rows, as_columns):
        for right_layout in (as_rows, as_columns):
            a, b = left_layout(left), right_layout(right)
            assert_product(a, b, target.with_scalar(scalar), operand)
            assert_product(a, b, target.with_scalar(scalar), operand, before=3.0)


@pytest.mark.parametrize(("scalar", "operand"), KINDS)
@pytest.mark.parametrize("left_layout", LAYOUTS)
@pytest.mark.parametrize("right_layout", LAYOUTS)
def test_matrices_may_lie_in_memory_as_they_like(
    scalar: str, operand: str, left_layout, right_layout
) -> None:
    left, right = matrices(100, 37, 130, scalar)
    target = HOST.with_scalar(scalar)
    assert_product(left_layout(left), right_layout(right), target, operand)


@pytest.mark.parametrize("columns", range(1, 66, 8))
@pytest.mark.parametrize("operand", ["same", "bfloat16"])
def test_every_width_of_the_last_tile_gives_the_product(columns: int, operand: str) -> None:
    left, right = matrices(51, 20, columns, "float")
    assert_product(left, right, HOST, operand)
    assert_product(as_columns(left), right, HOST, operand)


def test_work_that_is_split_between_threads_is_the_same_bit_for_bit() -> None:
    left, right = torch.randn(257, 700), torch.randn(700, 130)
    for a, b in ((left, right), (as_columns(left), right), (right.t(), left.t())):
        results = [torch.empty(a.shape[0], b.shape[1]) for _ in range(4)]
        for threads, out in enumerate(results):
            multiply_on(HOST, threads + 1, a, b, out)
        assert all(torch.equal(results[0], other) for other in results[1:])


def test_bfloat16_without_its_instruction_rounds_both_matrices() -> None:
    left, right = matrices(50, 33, 70, "float")
    assert_product(left, right, WIDENING, "bfloat16")
    assert_product(as_columns(left), right, WIDENING, "bfloat16")


@pytest.mark.parametrize("shape", [(40, 30, 20), (200, 200, 200), (3, 900, 900)], ids=str)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_multiply_agrees_with_torch_whoever_computes_it(
    shape: tuple[int, int, int], kind: torch.dtype
) -> None:
    rows, size, columns = shape
    left, right = torch.randn(rows, size, dtype=kind), torch.randn(size, columns, dtype=kind)
    out = torch.randn(rows, columns, dtype=kind)
    expected = torch.addmm(out, left, right)
    torch.testing.assert_close(multiply(left, right), left @ right, rtol=1e-4, atol=1e-4)
    assert multiply(left, right, out, add=True) is out
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rows", [3, 300])
def test_multiply_records_no_gradient(rows: int) -> None:
    left = torch.randn(rows, 300, requires_grad=True)
    assert not multiply(left, torch.randn(300, 300)).requires_grad


@pytest.mark.parametrize("operand", ["same", "bfloat16"])
def test_sum_over_nothing_is_zero_and_adds_nothing(operand: str) -> None:
    left, right = torch.empty(3, 0), torch.empty(0, 4)
    assert torch.equal(multiply(left, right, operand=operand), torch.zeros(3, 4))
    out = torch.ones(3, 4)
    multiply(left, right, out, add=True, operand=operand)
    assert torch.equal(out, torch.ones(3, 4))


@pytest.mark.parametrize("operand", ["same", "bfloat16"])
def test_no_rows_or_no_columns_give_an_empty_product(operand: str) -> None:
    assert multiply(torch.empty(0, 5), torch.ones(5, 4), operand=operand).shape == (0, 4)
    assert multiply(torch.ones(4, 5), torch.empty(5, 0), operand=operand).shape == (4, 0)


@pytest.mark.parametrize("operand", ["same", "bfloat16"])
@pytest.mark.parametrize("layout", [as_rows, as_columns])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_number_that_is_not_finite_reaches_its_own_row_only(
    operand: str, layout, number: float
) -> None:
    left, right = torch.randn(100, 65), torch.rand(65, 70) + 0.1
    left[5, 64] = number
    out = torch.empty(100, 70)
    multiply_on(HOST, 1, layout(left), right, out, operand=operand)
    expected = torch.full((70,), number)
    torch.testing.assert_close(out[5], expected, equal_nan=True)
    assert out[:5].isfinite().all()
    assert out[6:].isfinite().all()


@pytest.mark.parametrize(
    ("left", "right", "out", "message"),
    [
        (torch.ones(3, 4), torch.ones(5, 3), None, "expected"),
        (torch.ones(3), torch.ones(3, 3), None, "expected"),
        (torch.ones(3, 4), torch.ones(4, 3).double(), None, "float32 or in float64"),
        (torch.ones(3, 4).int(), torch.ones(4, 3).int(), None, "float32 or in float64"),
        (torch.ones(3, 4), torch.ones(4, 3), torch.ones(3, 4), "expected `out`"),
        (torch.ones(3, 4), torch.ones(4, 3), torch.ones(3, 3).t(), "contiguous rows"),
        (torch.ones(3, 4), torch.ones(4, 3), torch.ones(3, 3).double(), "expected `out`"),
    ],
)
def test_multiply_refuses_what_does_not_fit(left, right, out, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        multiply(left, right, out)


def test_adding_needs_something_to_add_to() -> None:
    with pytest.raises(ShapeError, match="got none"):
        multiply(torch.ones(3, 4), torch.ones(4, 3), add=True)


def test_bfloat16_refuses_matrices_in_double() -> None:
    with pytest.raises(SettingsError, match="bfloat16"):
        multiply(torch.ones(3, 4).double(), torch.ones(4, 3).double(), operand="bfloat16")
