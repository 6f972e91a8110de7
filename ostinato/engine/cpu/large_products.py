"""Large matrix products with our own kernels: what a recurrent loop leaves to do before and after.

    out = left @ right            or            out += left @ right

The right matrix is packed into panels of a few vectors' width; the left one is read as it lies, if
its rows are contiguous, and else turned, or copied if it must be rounded to bfloat16. One function
of machine code, from `product_loops`, computes a part of the result:

    for each stretch of K:                     so that a panel of either side stays near
        for each few tiles of columns:         pack their part of the right matrix
            for each few panels of rows:       turn or round their part of the left matrix
                for each tile, each panel:     one call of a kernel of `products`

Threads take different rows or different columns of the result, and what order a number of it is
summed in depends on shapes alone. So the result is the same, bit for bit, for any number of
threads; except for small products, which `torch.mm` does faster and gets.
"""

from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from ostinato.engine.cpu.machine_code import MachineCode, machine_code
from ostinato.engine.cpu.panels import Along, Kernel, Lies, Operand, packing_address
from ostinato.engine.cpu.plan import At, Job, Plan, Stage
from ostinato.engine.cpu.product_loops import (
    ROWS,
    TILES_AT_ONCE,
    copies_left,
    numbers_before_right,
    stretch_of,
    text_of,
)
from ostinato.engine.cpu.products import address, rounding_address
from ostinato.engine.cpu.target import Target, host_target
from ostinato.engine.cpu.team import team_size
from ostinato.engine.cpu.transposing import transposing_address
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
    threads = team_size()
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
    product = Product(
        _lies("left", left),
        _lies("right", right),
        Lies(At("out"), out.stride(0), "rows"),
        left.shape[0],
        left.shape[1],
        right.shape[1],
        add,
    )
    stage = product_stage(product, target, operand, threads, At("scratch"))
    scratch = left.new_empty(scratch_numbers(product, target, operand, threads))
    memory = {"left": left, "right": right, "out": out, "scratch": scratch}
    addresses = {name: tensor.data_ptr() for name, tensor in memory.items()}
    Plan([stage], len(stage.jobs)).run(addresses)


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


# ---- as a stage of a plan


class Product(NamedTuple):
    """out (rows, columns) = left (rows, size) @ right (size, columns), added to it if `add`."""

    left: Lies
    right: Lies
    out: Lies
    rows: int
    size: int
    columns: int
    add: bool


def product_stage(
    product: Product, target: Target, operand: Operand, threads: int, scratch: At
) -> Stage:
    """A stage that computes a product, dealt out to at most so many threads.

    `scratch`: room for `scratch_numbers` of the target's numbers. In "bfloat16" only on a processor
    that multiplies in it; elsewhere the product is one in float.
    """
    code, parts, numbers = _divided(product, target, operand, threads)
    panels, tiles = _panels_and_tiles(product, code.kernel)
    fields = (
        *code.functions,
        *(product.left.at, product.left.stride, product.right.at, product.right.stride),
        *(product.out.at, product.out.stride),
        *(product.rows, product.size, product.columns, product.add),
    )
    step = numbers * target.scalar_bytes
    own = [(scratch + part * step, *_span(part, parts, panels, tiles)) for part in range(parts)]
    return Stage([Job(code.run, (*fields, *each)) for each in own])


def scratch_numbers(product: Product, target: Target, operand: Operand, threads: int) -> int:
    """The room that all threads of such a stage need, in numbers."""
    _, parts, numbers = _divided(product, target, operand, threads)
    return parts * numbers


def _divided(
    product: Product, target: Target, operand: Operand, threads: int
) -> tuple["_Code", int, int]:
    """The machine code, how many jobs there are, and the numbers in the memory of each."""
    if operand == "bfloat16" and not _multiplies_bfloat16(target):
        operand = "same"
    tail = -(-(product.columns % (_vectors(target) * target.lanes)) // target.lanes)
    code = _code(target, operand, product.left.along, product.right.along, tail)
    panels, tiles = _panels_and_tiles(product, code.kernel)
    work = product.rows * product.size * product.columns
    parts = min(threads, max(panels, tiles), 1 + work // _WORK_OF_A_THREAD)
    longest = min(
        product.size + 1, stretch_of(code.kernel)
    )  # an odd size in bfloat16 is one longer
    right = code.kernel.width * min(TILES_AT_ONCE, tiles) * longest
    # Each memory begins at a cache line.
    return (
        code,
        parts,
        -(-(numbers_before_right(code.kernel, product.left.along) + right) // 16) * 16,
    )


def _panels_and_tiles(product: Product, kernel: Kernel) -> tuple[int, int]:
    return -(-product.rows // ROWS), -(-product.columns // kernel.width)


def _lies(name: str, matrix: Tensor) -> Lies:
    along = _along(matrix)
    return Lies(At(name), matrix.stride(0 if along == "rows" else 1), along)


def _span(part: int, parts: int, panels: int, tiles: int) -> tuple[int, int, int, int]:
    """Panels of rows and tiles that one thread takes, as their bounds."""
    if parts == 1:
        return 0, panels, 0, tiles
    if panels < tiles:
        return 0, panels, tiles * part // parts, tiles * (part + 1) // parts
    return panels * part // parts, panels * (part + 1) // parts, 0, tiles


@dataclass(frozen=True)
class _Code:
    """The function that computes a part of a product, and the functions that it calls."""

    kernel: Kernel
    functions: tuple[int, ...]
    code: MachineCode = field(repr=False)
    run: int


@cache
def _code(
    target: Target, operand: Operand, left_along: Along, right_along: Along, tail: int
) -> _Code:
    # Rounded columns come in pairs of bfloat16; others are turned into rows.
    lies: Along = left_along if operand == "bfloat16" else "rows"
    kernel = Kernel(target, _vectors(target), operand, lies)
    last = replace(kernel, vectors=tail or kernel.vectors)
    packing = [packing_address(replace(each, left="rows"), right_along) for each in (kernel, last)]
    preparing = _preparing_address(kernel, left_along)
    functions = address(kernel), address(last), *packing, preparing, last.width
    code = machine_code(text_of(kernel, left_along, right_along), kernel.target)
    return _Code(kernel, functions, code, code.address("run"))


def _preparing_address(kernel: Kernel, left_along: Along) -> int:
    """Of the function that copies a panel of the left matrix; 0 if it is read as it lies."""
    if not copies_left(kernel, left_along):
        return 0
    if kernel.operand == "same":
        return transposing_address(kernel.target)
    if kernel.left == "rows":
        return rounding_address(kernel)
    return packing_address(replace(kernel, vectors=ROWS // kernel.target.lanes), "rows")
