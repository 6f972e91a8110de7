"""What the product kernels read: weights in panels, and rows rounded to bfloat16.

A panel holds a few vectors' worth of a matrix's columns, row after row, so that a kernel reads it
from its first byte to its last. In bfloat16 two rows share a panel's row: each 32-bit word holds a
column's number of an even row (low half) and of the odd row after it (high half).
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal, NamedTuple

import torch

from ostinato.engine.cpu.machine_code import MachineCode, machine_code
from ostinato.engine.cpu.plan import At, Job, Stage
from ostinato.engine.cpu.target import Target
from ostinato.engine.cpu.writer import Index, Writer, declarations
from ostinato.errors import SettingsError, ShapeError

# Long enough to write a page of a panel, short enough to meet a matrix row's page again.
_ROWS_AT_ONCE = 16


Operand = Literal["same", "bfloat16"]
Along = Literal["rows", "columns"]


class Lies(NamedTuple):
    """Where a matrix lies: its first number, what of it is contiguous, and how many numbers there
    are from one row (or column) to the next.
    """

    at: At
    stride: int
    along: Along


@dataclass(frozen=True)
class Kernel:
    """A product of rows with one panel of weights.

    Args:
        target: the processor, and the kind of number of rows and results.
        vectors: width of a panel, in vectors; 4 measures best on AVX-512, 2 on AVX2.
        operand: how weights are stored: "same" as the rows, or "bfloat16" (rows in "float" only).
        left: what of the left matrix is contiguous: its "rows", or, in bfloat16 where the processor
            multiplies in it, its "columns", so that word (row, k) lies at row + k * lda. These come
            as `pack` for such a kernel writes their transpose, with zeros for denormal numbers.

    Raises:
        SettingsError: weights in bfloat16 for rows in "double"; columns but not in bfloat16, or
            where the processor does not multiply in it.
    """

    target: Target
    vectors: int
    operand: Operand = "same"
    left: Literal["rows", "columns"] = "rows"

    def __post_init__(self) -> None:
        if self.operand == "bfloat16" and self.target.scalar != "float":
            raise SettingsError("bfloat16 weights go with rows in float, not in double; use 'same'")
        if self.left == "columns" and not self.rounds_rows:
            raise SettingsError("columns go with products that the processor does in bfloat16")

    @property
    def symbol(self) -> str:
        """The function's name."""
        kind = "bfloat16" if self.operand == "bfloat16" else self.target.scalar
        left = "_columns" if self.left == "columns" else ""
        return f"product_{self.target.name}_{self.target.scalar}_{kind}_{self.vectors}{left}"

    @property
    def width(self) -> int:
        """Columns of a panel."""
        return self.vectors * self.target.lanes

    @property
    def rounds_rows(self) -> bool:
        """Rows must come in bfloat16, from `SYMBOL_round`: the processor multiplies both in it."""
        return self.operand == "bfloat16" and "+avx512bf16" in self.target.features.split(",")

    @property
    def widens(self) -> bool:
        """Weights become numbers of 32 bits as they are read, and rows stay what they are."""
        return self.operand == "bfloat16" and not self.rounds_rows

    def panel_rows(self, size: int) -> int:
        """Rows of a panel of a matrix (size, columns): one a row, or one for each pair of rows."""
        return size if self.operand == "same" else -(-size // 2)

    def rounded_stride(self, size: int) -> int:
        """Elements between two rows of `size` numbers as `SYMBOL_round` writes them."""
        return -(-size // (2 * self.target.lanes)) * 2 * self.target.lanes


def pack(weight: torch.Tensor, kernel: Kernel, out: torch.Tensor | None = None) -> torch.Tensor:
    """A matrix of weights in panels, its columns padded with zeros to whole panels.

    Args:
        weight: (K, columns), with any strides; fastest if either axis is contiguous.
        kernel: for whom.
        out: panels of an earlier call with the same shapes, to be overwritten; new ones if None.

    Returns:
        (tiles, K, width), or in bfloat16 (tiles, K / 2 rounded up, width, 2); at 64 bytes.

    Raises:
        ShapeError: the weight is no matrix of the kernel's kind of number, or `out` does not fit.
    """
    kind = torch.float32 if kernel.target.scalar == "float" else torch.float64
    if weight.dim() != 2 or weight.dtype != kind or weight.device.type != "cpu":
        raise ShapeError(
            f"expected a {kind} matrix in main memory, got {weight.dtype} of shape "
            f"{tuple(weight.shape)} on {weight.device}; convert it first"
        )
    if weight.stride(1) != 1 and weight.stride(0) != 1:
        weight = weight.contiguous()
    size, columns = weight.shape
    panels = _panels(size, columns, kernel, out)
    along = "rows" if weight.stride(1) == 1 else "columns"
    stride = weight.stride(0) if along == "rows" else weight.stride(1)
    _packing(kernel, along)(weight.data_ptr(), stride, panels.data_ptr(), size, columns)
    return panels


def packing_stage(
    kernel: Kernel, weight: Lies, panels: At, size: int, columns: int, jobs: int
) -> Stage:
    """A stage of a plan that packs a matrix (size, columns), dealt out in so many jobs.

    Args:
        kernel: for whom.
        weight: where the matrix lies.
        panels: where the panels go.
        size, columns: of the matrix.
        jobs: at most this many.
    """
    number = kernel.target.scalar_bytes
    tiles = -(-columns // kernel.width)
    groups = kernel.panel_rows(size)
    cuts = [tiles * job // min(jobs, tiles) for job in range(min(jobs, tiles) + 1)]
    across = kernel.width * number * (1 if weight.along == "rows" else weight.stride)
    pack_job = _packing_code(kernel, weight.along).address("pack_job")
    fields = [
        (
            weight.at + low * across,
            weight.stride,
            panels + low * groups * kernel.width * number,
            size,
            min(columns, high * kernel.width) - low * kernel.width,
        )
        for low, high in pairwise(cuts)
    ]
    return Stage([Job(pack_job, each) for each in fields])


def packing_address(kernel: Kernel, along: Along) -> int:
    """Where the function begins that packs a matrix contiguous along its rows or columns,

    void pack(ptr weight, i64 stride, ptr panels, i64 K, i64 columns)
    """
    return _packing_code(kernel, along).address("pack")


def _panels(size: int, columns: int, kernel: Kernel, out: torch.Tensor | None) -> torch.Tensor:
    shape = (-(-columns // kernel.width), size, kernel.width)
    kind = torch.float32 if kernel.target.scalar == "float" else torch.float64
    if kernel.operand == "bfloat16":
        shape, kind = (shape[0], -(-size // 2), kernel.width, 2), torch.bfloat16
    if out is None:
        return torch.empty(shape, dtype=kind, device="cpu")
    if out.shape != shape or out.dtype != kind or not out.is_contiguous():
        raise ShapeError(
            f"expected earlier panels, {kind} of shape {shape} and contiguous, got {out.dtype} of "
            f"shape {tuple(out.shape)}; leave `out` away to get new ones"
        )
    return out


@cache
def _packing(kernel: Kernel, along: Along) -> Callable[..., None]:
    """Packs a matrix that is contiguous along its "rows" or "columns"."""
    size, pointer = ctypes.c_int64, ctypes.c_void_p
    signature = ctypes.CFUNCTYPE(None, pointer, size, pointer, size, size)
    return signature(packing_address(kernel, along))


@cache
def _packing_code(kernel: Kernel, along: Along) -> MachineCode:
    body = _pack_rows(kernel) if along == "rows" else _pack_columns(kernel)
    declared = declarations(kernel.target)
    if kernel.rounds_rows:
        declared += f"\n{rounding_declaration(kernel)}"
    text = (
        f"{declared}\n"
        f"define void @pack(ptr noalias %weight, i64 %stride, ptr noalias %panels, i64 %K, "
        f"i64 %columns) {{\nentry:\n{body}\n  ret void\n}}\n{_pack_job()}"
    )
    return machine_code(text, kernel.target)


def _pack_job() -> str:
    """The same as a job of a plan, its arguments being the fields."""
    kinds = ("ptr", "i64", "ptr", "i64", "i64")
    lines = [
        f"  %at{place} = getelementptr i64, ptr %fields, i64 {place}\n"
        f"  %field{place} = load {kind}, ptr %at{place}"
        for place, kind in enumerate(kinds)
    ]
    given = ", ".join(f"{kind} %field{place}" for place, kind in enumerate(kinds))
    head = "define void @pack_job(ptr %fields, i64 %part, i64 %parts, ptr %meeting) {"
    return "\n".join([head, *lines, f"  call void @pack({given})", "  ret void\n}\n"])


def _pack_rows(kernel: Kernel) -> str:
    writer, lanes = Writer(kernel.target), kernel.target.lanes
    groups, blocks = _groups(writer, kernel), _blocks(writer, kernel)
    with (
        writer.loop(0, groups, _ROWS_AT_ONCE) as first,
        writer.loop(0, blocks) as block,
        writer.loop(first, writer.minimum(groups, writer.add(first, _ROWS_AT_ONCE))) as group,
    ):
        column = writer.multiply(block, lanes)
        mask = lanes_below(writer, writer.subtract("%columns", column))
        vector = _from_rows(writer, kernel, group, column, mask)
        writer.store(vector, _place(writer, kernel, groups, block, group))
    return "\n".join(writer.entry + writer.lines)


def _from_rows(writer: Writer, kernel: Kernel, group: Index, column: Index, mask: str) -> str:
    """A panel's vector from a row of the matrix, or from two rows."""

    def row(index: Index, mask: str) -> str:
        start = writer.add(writer.multiply(index, "%stride"), column)
        return masked_load(writer, writer.at("%weight", start), mask)

    if kernel.operand == "same":
        return row(group, mask)
    even = writer.multiply(group, 2)
    odd = writer.add(even, 1)
    lanes = kernel.target.lanes
    there = all_lanes_if(writer, f"icmp slt i64 {odd}, %K")
    both = writer.assign(f"and <{lanes} x i1> {mask}, {there}")
    if kernel.left == "columns":
        return _side_by_side(writer, rounded_by_processor(writer, row(even, mask), row(odd, both)))
    return words(writer, row(even, mask), row(odd, both))


def _pack_columns(kernel: Kernel) -> str:
    writer, lanes = Writer(kernel.target), kernel.target.lanes
    groups, blocks = _groups(writer, kernel), _blocks(writer, kernel)
    with writer.loop(0, blocks) as block, writer.loop(0, groups, lanes) as first:
        square = [
            _from_column(writer, kernel, writer.add(writer.multiply(block, lanes), lane), first)
            for lane in range(lanes)
        ]
        for lane, vector in enumerate(transposed(writer, square)):
            group = writer.add(first, lane)
            mask = all_lanes_if(writer, f"icmp slt i64 {group}, {groups}")
            place = _place(writer, kernel, groups, block, group)
            masked_store(writer, vector, place, mask)
    return "\n".join(writer.entry + writer.lines)


def _from_column(writer: Writer, kernel: Kernel, column: Index, first: Index) -> str:
    """A vector's worth of groups of one column, zeros where there is no such column."""
    there = writer.assign(f"icmp slt i64 {column}, %columns")
    size = writer.assign(f"select i1 {there}, i64 %K, i64 0")
    start = writer.at("%weight", writer.multiply(column, "%stride"))
    return loaded_groups(writer, kernel, start, first, size)


def loaded_groups(writer: Writer, kernel: Kernel, start: str, first: Index, size: Index) -> str:
    """Numbers (or words of two) `first` and after, of the `size` that lie at `start`."""
    lanes = kernel.target.lanes

    def vector(index: Index) -> str:
        mask = lanes_below(writer, writer.subtract(size, index))
        return masked_load(writer, writer.at(start, index), mask)

    if kernel.operand == "same":
        return vector(first)
    number = writer.multiply(first, 2)
    two = vector(number), vector(writer.add(number, lanes))
    even, odd = (_shuffled(writer, *two, list(range(begin, 2 * lanes, 2))) for begin in (0, 1))
    return words(writer, even, odd)


def words(writer: Writer, even: str, odd: str) -> str:
    """Two vectors rounded to bfloat16, side by side in one vector of 32-bit words."""
    lanes, vector = writer.target.lanes, writer.target.vector
    integers = f"<{lanes} x i32>"

    def whole(number: int) -> str:
        return "<" + ", ".join([f"i32 {number}"] * lanes) + ">"

    def rounded(value: str) -> str:
        """To nearest, ties to even, in the upper half; a NaN stays one."""
        bits = writer.assign(f"bitcast {vector} {value} to {integers}")
        upper = writer.assign(f"lshr {integers} {bits}, {whole(16)}")
        last = writer.assign(f"and {integers} {upper}, {whole(1)}")
        most = writer.assign(f"add {integers} {bits}, {whole(0x7FFF)}")
        near = writer.assign(f"add {integers} {most}, {last}")
        quiet = writer.assign(f"or {integers} {bits}, {whole(0x00400000)}")
        nan = writer.compare("uno", value, value)
        return writer.assign(f"select <{lanes} x i1> {nan}, {integers} {quiet}, {integers} {near}")

    low = writer.assign(f"lshr {integers} {rounded(even)}, {whole(16)}")
    high = writer.assign(f"and {integers} {rounded(odd)}, {whole(-65536)}")
    both = writer.assign(f"or {integers} {low}, {high}")
    return writer.assign(f"bitcast {integers} {both} to {vector}")


_PROCESSOR_ROUNDS = "@llvm.x86.avx512bf16.cvtne2ps2bf16.512"


def rounding_declaration(kernel: Kernel) -> str:
    """The instruction of `rounded_by_processor`, of a kernel that rounds rows."""
    vector, lanes = kernel.target.vector, kernel.target.lanes
    return f"declare <{2 * lanes} x bfloat> {_PROCESSOR_ROUNDS}({vector}, {vector})"


def rounded_by_processor(writer: Writer, low: str, high: str) -> str:
    """Two vectors rounded to bfloat16, one after the other; denormal numbers become zeros."""
    vector, pairs = writer.target.vector, f"<{2 * writer.target.lanes} x bfloat>"
    both = writer.assign(f"call {pairs} {_PROCESSOR_ROUNDS}({vector} {high}, {vector} {low})")
    return writer.assign(f"bitcast {pairs} {both} to {vector}")


def _side_by_side(writer: Writer, halves: str) -> str:
    """Words of one number of the lower half (low) and one of the upper half (high)."""
    lanes, vector = writer.target.lanes, writer.target.vector
    shorts = f"<{2 * lanes} x i16>"
    numbers = writer.assign(f"bitcast {vector} {halves} to {shorts}")
    order = ", ".join(f"i32 {lane}, i32 {lanes + lane}" for lane in range(lanes))
    mixed = writer.assign(
        f"shufflevector {shorts} {numbers}, {shorts} poison, <{2 * lanes} x i32> <{order}>"
    )
    return writer.assign(f"bitcast {shorts} {mixed} to {vector}")


def transposed(writer: Writer, square: list[str]) -> list[str]:
    """As many vectors as lanes; exchanges ever larger quarters of ever larger squares."""
    lanes = len(square)
    distance = 1
    while distance < lanes:
        upper = [lane if not lane & distance else lanes + lane - distance for lane in range(lanes)]
        lower = [lane + distance if not lane & distance else lanes + lane for lane in range(lanes)]
        for index in range(lanes):
            if not index & distance:
                pair = square[index], square[index + distance]
                square[index] = _shuffled(writer, *pair, upper)
                square[index + distance] = _shuffled(writer, *pair, lower)
        distance *= 2
    return square


def _groups(writer: Writer, kernel: Kernel) -> Index:
    """Rows of a panel: those of the matrix, or pairs of them."""
    return "%K" if kernel.operand == "same" else writer.divide(writer.add("%K", 1), 2)


def _blocks(writer: Writer, kernel: Kernel) -> Index:
    """Vectors in a row of all panels."""
    tiles = writer.divide(writer.add("%columns", kernel.width - 1), kernel.width)
    return writer.multiply(tiles, kernel.vectors)


def _place(writer: Writer, kernel: Kernel, groups: Index, block: Index, group: Index) -> str:
    tile = writer.divide(block, kernel.vectors)
    inside = writer.subtract(block, writer.multiply(tile, kernel.vectors))
    row = writer.add(writer.multiply(tile, groups), group)
    vector = writer.add(writer.multiply(row, kernel.vectors), inside)
    return writer.at("%panels", writer.multiply(vector, kernel.target.lanes))


def lanes_below(writer: Writer, limit: Index) -> str:
    lanes = writer.target.lanes
    indices = "<" + ", ".join(f"i64 {lane}" for lane in range(lanes)) + ">"
    one = writer.assign(f"insertelement <{lanes} x i64> poison, i64 {limit}, i32 0")
    all_lanes = writer.assign(
        f"shufflevector <{lanes} x i64> {one}, <{lanes} x i64> poison, "
        f"<{lanes} x i32> zeroinitializer"
    )
    return writer.assign(f"icmp slt <{lanes} x i64> {indices}, {all_lanes}")


def all_lanes_if(writer: Writer, comparison: str) -> str:
    lanes = writer.target.lanes
    condition = writer.assign(comparison)
    one = writer.assign(f"insertelement <{lanes} x i1> poison, i1 {condition}, i32 0")
    return writer.assign(
        f"shufflevector <{lanes} x i1> {one}, <{lanes} x i1> poison, "
        f"<{lanes} x i32> zeroinitializer"
    )


def masked_load(writer: Writer, pointer: str, mask: str) -> str:
    target = writer.target
    return writer.assign(
        f"call {target.vector} @llvm.masked.load.{target.suffix}.p0(ptr {pointer}, "
        f"i32 {target.scalar_bytes}, <{target.lanes} x i1> {mask}, "
        f"{target.vector} zeroinitializer)"
    )


def masked_store(writer: Writer, value: str, pointer: str, mask: str) -> None:
    target = writer.target
    writer.do(
        f"call void @llvm.masked.store.{target.suffix}.p0({target.vector} {value}, "
        f"ptr {pointer}, i32 {target.scalar_bytes}, <{target.lanes} x i1> {mask})"
    )


def _shuffled(writer: Writer, a: str, b: str, lanes: list[int]) -> str:
    vector = writer.target.vector
    mask = "<" + ", ".join(f"i32 {lane}" for lane in lanes) + ">"
    return writer.assign(f"shufflevector {vector} {a}, {vector} {b}, <{len(lanes)} x i32> {mask}")
