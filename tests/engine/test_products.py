"""Product kernels and packing, against numpy in double precision."""

import ctypes
from dataclasses import replace

import numpy as np
import pytest
import torch

from ostinato.engine.cpu.products import Kernel, address, definitions, pack, rounding_address
from ostinato.engine.cpu.target import Target, avx2_target, host_target, portable_target
from ostinato.errors import SettingsError, ShapeError

GUARD = 12345.0
HOST = host_target()
WIDENING = replace(HOST, features=HOST.features.replace("+avx512bf16", "-avx512bf16"))
RUNS_AVX2 = HOST.name != "portable"

TARGETS = [
    pytest.param(HOST, id=f"host-{HOST.name}"),
    pytest.param(
        avx2_target(), id="avx2", marks=pytest.mark.skipif(not RUNS_AVX2, reason="needs AVX2")
    ),
    pytest.param(portable_target(), id="portable"),
]
KERNELS = [
    pytest.param("float", "same", 4, id="float"),
    pytest.param("double", "same", 2, id="double"),
    pytest.param("float", "bfloat16", 2, id="bfloat16"),
]
TOLERANCE = {"float": 1e-6, "double": 1e-14}
"""Of the sum of the products' sizes."""

size, pointer = ctypes.c_int64, ctypes.c_void_p
Product = ctypes.CFUNCTYPE(None, pointer, size, pointer, pointer, size, size, size)
Rounding = ctypes.CFUNCTYPE(None, pointer, size, pointer, size, size)


def kernel_of(target: Target, scalar: str, operand: str, vectors: int) -> Kernel:
    return Kernel(target.with_scalar(scalar), vectors, operand)


def kind_of(kernel: Kernel) -> torch.dtype:
    return torch.float32 if kernel.target.scalar == "float" else torch.float64


def rounded(rows: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """The rows as the kernel wants them, by its own rounding, in a buffer of ones."""
    if not kernel.rounds_rows:
        return rows
    out = torch.ones(rows.shape[0], kernel.rounded_stride(rows.shape[1]), dtype=torch.bfloat16)
    work = Rounding(rounding_address(kernel))
    work(rows.data_ptr(), rows.stride(0), out.data_ptr(), *rows.shape)
    return out


def product(rows: torch.Tensor, weight: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """All panels, into the left of a wider buffer of guards, with a row of guards below."""
    panels, a = pack(weight, kernel), rounded(rows, kernel)
    count, depth = rows.shape
    out = torch.full((count + 1, panels.shape[0] * kernel.width + 3), GUARD, dtype=rows.dtype)
    for tile in range(panels.shape[0]):
        place = out[0, tile * kernel.width :].data_ptr()
        panel = panels[tile].data_ptr()
        work = Product(address(kernel))
        work(a.data_ptr(), a.stride(0), panel, place, out.stride(0), count, depth)
    return out


def expected(rows: torch.Tensor, weight: torch.Tensor, kernel: Kernel) -> tuple[np.ndarray, ...]:
    """The product of what the kernel is given after rounding, and the sum of the terms' sizes."""
    a = rows.bfloat16() if kernel.rounds_rows else rows
    b = weight.bfloat16() if kernel.operand == "bfloat16" else weight
    left, right = a.double().numpy(), b.double().numpy()
    return left @ right, np.abs(left) @ np.abs(right)


def rows_with_gap(count: int, depth: int, kind: torch.dtype) -> torch.Tensor:
    """Rows of a wider matrix, between which lie numbers that show if they are read."""
    whole = torch.full((count, depth + 5), float("nan"), dtype=kind)
    whole[:, :depth] = torch.randn(count, depth, dtype=kind)
    return whole[:, :depth]


def assert_product(rows: torch.Tensor, weight: torch.Tensor, kernel: Kernel) -> None:
    columns = weight.shape[1]
    result = product(rows, weight, kernel)
    values, sizes = expected(rows, weight, kernel)
    error = np.abs(result[:-1, :columns].double().numpy() - values)
    assert (error <= TOLERANCE[kernel.target.scalar] * sizes).all()
    assert (result[:-1, columns:-3] == 0).all()
    assert (result[-1] == GUARD).all()
    assert (result[:, -3:] == GUARD).all()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("scalar", "operand", "vectors"), KERNELS)
@pytest.mark.parametrize("columns", [1, 15, 16, 100])
@pytest.mark.parametrize("depth", [1, 17, 300, 600])
def test_product_is_numpy_product_and_writes_nothing_else(
    target: Target, scalar: str, operand: str, vectors: int, depth: int, columns: int
) -> None:
    kernel = kernel_of(target, scalar, operand, vectors)
    weight = torch.randn(depth, columns, dtype=kind_of(kernel))
    for count in (0, 1, 2, 7, 13, 33):
        assert_product(rows_with_gap(count, depth, kind_of(kernel)), weight, kernel)


@pytest.mark.parametrize("vectors", [1, 2, 3, 4, 8, 12])
@pytest.mark.parametrize("operand", ["same", "bfloat16"])
def test_every_panel_width_gives_the_product(vectors: int, operand: str) -> None:
    kernel = Kernel(HOST, vectors, operand)
    weight = torch.randn(19, 200)
    for count in range(15):
        assert_product(rows_with_gap(count, 19, torch.float32), weight, kernel)


@pytest.mark.parametrize("depth", [1, 17, 300])
def test_bfloat16_without_its_instruction_keeps_rows_in_float(depth: int) -> None:
    kernel = Kernel(WIDENING, 4, "bfloat16")
    assert not kernel.rounds_rows
    assert_product(rows_with_gap(7, depth, torch.float32), torch.randn(depth, 100), kernel)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("scalar", "operand", "vectors"), KERNELS)
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_row_without_finite_numbers_leaves_other_rows_alone(
    target: Target, scalar: str, operand: str, vectors: int, number: float
) -> None:
    kernel = kernel_of(target, scalar, operand, vectors)
    rows = torch.randn(13, 33, dtype=kind_of(kernel))
    weight = torch.randn(33, 16, dtype=kind_of(kernel)).abs()
    clean = product(rows, weight, kernel)
    rows[5, 32] = number
    result = product(rows, weight, kernel)
    others = [row for row in range(14) if row != 5]
    assert torch.equal(result[others], clean[others])
    torch.testing.assert_close(
        result[5, :16], torch.full((16,), number, dtype=rows.dtype), equal_nan=True
    )


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("scalar", "operand", "vectors"), KERNELS)
@pytest.mark.parametrize("columns", [1, 15, 16, 100])
@pytest.mark.parametrize("depth", [1, 17, 300])
def test_panels_are_the_padded_matrix_however_it_lies_in_memory(
    target: Target, scalar: str, operand: str, vectors: int, depth: int, columns: int
) -> None:
    kernel = kernel_of(target, scalar, operand, vectors)
    weight = torch.randn(depth, columns, dtype=kind_of(kernel))
    panels = pack(weight, kernel)
    pairs = panels.movedim(3, 2).flatten(1, 2) if operand == "bfloat16" else panels
    matrix = pairs.movedim(0, 1).flatten(1)
    assert torch.equal(matrix[:depth, :columns], weight.to(panels.dtype))
    assert not matrix[depth:].any()
    assert not matrix[:, columns:].any()
    assert panels.data_ptr() % 64 == 0
    spread = torch.zeros(depth, columns, 2, dtype=weight.dtype)
    spread[..., 0] = weight
    assert torch.equal(pack(weight.t().contiguous().t(), kernel), panels)
    assert torch.equal(pack(spread[..., 0], kernel), panels)


def test_packing_into_earlier_panels_leaves_nothing_of_them() -> None:
    kernel = Kernel(HOST, 2, "bfloat16")
    weight = torch.randn(17, 40)
    earlier = pack(torch.randn(17, 40), kernel)
    again = pack(weight, kernel, earlier)
    assert again is earlier
    assert torch.equal(again, pack(weight, kernel))


def test_packing_refuses_panels_of_another_shape() -> None:
    kernel = Kernel(HOST, 2)
    with pytest.raises(ShapeError, match="expected earlier panels"):
        pack(torch.zeros(17, 40), kernel, torch.empty(2, 16, kernel.width))


def test_packing_rounds_to_bfloat16_as_torch_does() -> None:
    kernel = Kernel(HOST, 1, "bfloat16")
    bits = torch.arange(-(2**31), 2**31, 65537 * 4 - 1).to(torch.int32)
    special = torch.tensor([0x7F800001, 0x7FFFFFFF, -8388607, 0x7F7FFFFF, 0x00007FFF, 0x00008001])
    weight = torch.cat([bits, special.to(torch.int32)]).view(torch.float32)[None]
    packed = pack(weight, kernel)[:, 0, :, 0].flatten()[: weight.shape[1]]
    torch.testing.assert_close(packed, weight[0].bfloat16(), rtol=0, atol=0, equal_nan=True)


def test_one_module_holds_kernels_of_several_kinds() -> None:
    kernels = [Kernel(HOST, 2), Kernel(HOST.with_scalar("double"), 4), Kernel(HOST, 3, "bfloat16")]
    text = definitions(kernels)
    assert all(f"define void @{kernel.symbol}(" in text for kernel in kernels)
    lines = [line for line in text.splitlines() if line.startswith("declare")]
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize("weight", [torch.zeros(3), torch.zeros(3, 4, dtype=torch.float64)])
def test_packing_refuses_what_is_no_matrix_of_the_kernels_kind(weight: torch.Tensor) -> None:
    with pytest.raises(ShapeError, match="float32 matrix"):
        pack(weight, Kernel(HOST, 2))


def test_bfloat16_weights_refuse_rows_in_double() -> None:
    with pytest.raises(SettingsError, match="bfloat16"):
        Kernel(HOST.with_scalar("double"), 2, "bfloat16")


def test_rounded_rows_end_in_zeros() -> None:
    kernel = Kernel(HOST, 2, "bfloat16")
    rows = torch.randn(3, 37)
    padded = torch.nn.functional.pad(rows, (0, kernel.rounded_stride(37) - 37))
    wanted = padded.bfloat16() if kernel.rounds_rows else rows
    assert torch.equal(rounded(rows, kernel), wanted)
