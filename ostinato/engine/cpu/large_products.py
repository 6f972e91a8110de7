"""Large matrix products with our own kernels: what a recurrent loop leaves to do before and after.

    out = left @ right            or            out += left @ right

The right matrix is packed into panels of a few vectors' width; the left one is read as it lies, by
rows or by columns, or copied if it must be rounded to bfloat16. One function of machine code, from
`product_loops`, computes a part of the result:

    for each stretch of K:                     so that a panel of either side stays near
        for each few tiles of columns:         pack their part of the right matrix
            for each few panels of rows:       round their part of the left matrix
                for each tile, each panel:     one call of a kernel of `products`

Threads take different rows or different columns of the result, and what order a number of it is
summed in depends on shapes alone. So the result is the same, bit for bit, for any number of
threads; except for small products, which `torch.mm` does faster and gets.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

import torch
from torch import Tensor

from ostinato.engine.cpu.machine_code import MachineCode, machine_code
from ostinato.engine.cpu.panels import Kernel, Operand, packing_address
from ostinato.engine.cpu.product_loops import (
    FIELDS,
    ROWS,
    TILES_AT_ONCE,
    Along,
    numbers_before_right,
    stretch_of,
    text_of,
)
from ostinato.engine.cpu.products import address, rounding_address
from ostinato.engine.cpu.target import Target, host_target
from ostinato.engine.cpu.team import run_together
from ostinato.errors import ShapeError

_SMALL = 4_000_000  # multiply-adds
_WORK_OF_A_THREAD = 4_000_000  # multiply-adds that are worth waking a thread for


def multiply(
    left: Tensor,
    right: Tensor,
    out: Tensor | None = None,
    *,
    add: bool = False,
    operand: Operand = "same",
) -> Tensor:
    """The product of two matrices, on `torch.get_num_threads()` threads. Records no gradient.

    Args:
        left: (rows, K), in float or double, with any strides; fastest if one of them is 1.
        right: (K, columns), likewise.
        out: (rows, columns), its rows contiguous, apart from the operands; a new one if None.
        add: add the product to what `out` holds.
        operand: "bfloat16" rounds both matrices (in float) to it, and sums in float.

    Returns:
        `out`, (rows, columns).

    Raises:
        ShapeError: shapes or kinds of number that do not fit each other, `add` without `out`.
    """
    _check(left, right, out, add)
    if operand == "same" and _is_small(left, right):
        left, right = left.detach(), right.detach()
        if out is not None and add:
            return out.addmm_(left, right)
        return torch.mm(left, right, out=out)
    if out is None:
        out = left.new_empty(left.shape[0], right.shape[1])
    threads = torch.get_num_threads()
    multiply_on(_target(left.dtype), threads, left, right, out, add=add, operand=operand)
    return out


def _check(left: Tensor, right: Tensor, out: Tensor | None, add: bool) -> None:
    if left.dim() != 2 or right.dim() != 2 or left.shape[1] != right.shape[0]:
        raise ShapeError(
            f"expected (rows, K) and (K, columns), got {tuple(left.shape)} and {tuple(right.shape)}"
        )
    if left.dtype != right.dtype or left.dtype not in (torch.float32, torch.float64):
        raise ShapeError(
            f"expected two matrices in float32 or in float64, got {left.dtype} and {right.dtype}"
        )
    if out is None and not add:
        return
    shape = left.shape[0], right.shape[1]
    if out is None or out.shape != shape or out.dtype != left.dtype or out.stride(1) != 1:
        found = "none" if out is None else f"{out.dtype} of {tuple(out.shape)}"
        raise ShapeError(
            f"expected `out` in {left.dtype} of {shape}, with contiguous rows, got {found}"
        )


def _is_small(left: Tensor, right: Tensor) -> bool:
    """Where `torch.mm` measured as fast or faster, as our call or packing takes too long."""
    rows, columns = left.shape[0], right.shape[1]
    return rows < 16 or columns < 8 or rows * left.shape[1] * columns < _SMALL


def multiply_on(
    target: Target,
    threads: int,
    left: Tensor,
    right: Tensor,
    out: Tensor,
    *,
    add: bool = False,
    operand: Operand = "same",
) -> None:
    """`multiply` for a given processor, at any size, with checked arguments."""
    if 0 in (*left.shape, right.shape[1]):
        if not add:
            out.zero_()
        return
    if operand == "bfloat16" and not _multiplies_bfloat16(target):
        left, right, operand = left.bfloat16().float(), right.bfloat16().float(), "same"
    left, right = _with_contiguous_axis(left), _with_contiguous_axis(right)
    tail = -(-(right.shape[1] % (_vectors(target) * target.lanes)) // target.lanes)
    _walk(target, operand, _along(left), _along(right), tail)(threads, left, right, out, add)


def _with_contiguous_axis(matrix: Tensor) -> Tensor:
    return matrix if 1 in matrix.stride() else matrix.contiguous()


def _along(matrix: Tensor) -> Along:
    """What of a matrix is contiguous."""
    return "rows" if matrix.stride(1) == 1 else "columns"


@cache
def _target(kind: torch.dtype) -> Target:
    return host_target().with_scalar("float" if kind == torch.float32 else "double")


def _vectors(target: Target) -> int:
    """A tile's width that the kernels of this processor are fastest with."""
    return 4 if target.registers == 32 else 2


def _multiplies_bfloat16(target: Target) -> bool:
    return Kernel(target, 1, "bfloat16").rounds_rows


# ---- machine code and its memory


@dataclass(frozen=True)
class Walk:
    """The function that computes a part of a product, and the functions that it calls."""

    kernel: Kernel
    right_along: Along
    functions: tuple[int, ...]
    code: MachineCode = field(repr=False)
    run: Callable[..., None] = field(repr=False)

    def __call__(self, threads: int, left: Tensor, right: Tensor, out: Tensor, add: bool) -> None:
        (rows, size), columns = left.shape, right.shape[1]
        panels, tiles = -(-rows // ROWS), -(-columns // self.kernel.width)
        parts = min(threads, max(panels, tiles), 1 + rows * size * columns // _WORK_OF_A_THREAD)
        numbers = self._scratch_size(size, tiles)
        scratch = left.new_empty(parts * numbers)
        step, place = numbers * left.itemsize, scratch.data_ptr()
        fields = self._fields(left, right, out, add)
        jobs = [
            (_Fields(*fields, place + part * step, *_span(part, parts, panels, tiles)),)
            for part in range(parts)
        ]
        run_together(self.run, jobs)

    def _scratch_size(self, size: int, tiles: int) -> int:
        """Numbers in the memory of one thread; an odd K in bfloat16 is one longer."""
        longest = min(size + 1, stretch_of(self.kernel))
        right = self.kernel.width * min(TILES_AT_ONCE, tiles) * longest
        return numbers_before_right(self.kernel) + right

    def _fields(self, left: Tensor, right: Tensor, out: Tensor, add: bool) -> tuple[int, ...]:
        """What all threads are told."""
        left_stride = left.stride(0 if self.kernel.left == "rows" else 1)
        right_stride = right.stride(0 if self.right_along == "rows" else 1)
        return (
            *self.functions,
            *(left.data_ptr(), left_stride, right.data_ptr(), right_stride),
            *(out.data_ptr(), out.stride(0)),
            *(*left.shape, right.shape[1], add),
        )


def _span(part: int, parts: int, panels: int, tiles: int) -> tuple[int, int, int, int]:
    """Panels of rows and tiles that one thread takes, as their bounds."""
    if parts == 1:
        return 0, panels, 0, tiles
    if panels < tiles:
        return 0, panels, tiles * part // parts, tiles * (part + 1) // parts
    return panels * part // parts, panels * (part + 1) // parts, 0, tiles


_Fields = ctypes.c_int64 * len(FIELDS)


@cache
def _walk(
    target: Target, operand: Operand, left_along: Along, right_along: Along, tail: int
) -> Walk:
    kernel = Kernel(target, _vectors(target), operand, left_along)
    last = replace(kernel, vectors=tail or kernel.vectors)
    packing = [packing_address(replace(each, left="rows"), right_along) for each in (kernel, last)]
    functions = address(kernel), address(last), *packing, _preparing_address(kernel), last.width
    code = machine_code(text_of(kernel, right_along), kernel.target)
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("run"))
    return Walk(kernel, right_along, functions, code, run)


def _preparing_address(kernel: Kernel) -> int:
    """Of the function that copies a panel of the left matrix; 0 if it is read as it lies."""
    if kernel.operand == "same":
        return 0
    if kernel.left == "rows":
        return rounding_address(kernel)
    return packing_address(replace(kernel, vectors=ROWS // kernel.target.lanes), "rows")
