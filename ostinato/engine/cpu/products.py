"""The product of a few rows with a panel of weights: the inner loop of every recurrent step.

A kernel is one function of machine code,

    void SYMBOL(ptr A, i64 lda, ptr panel, ptr C, i64 ldc, i64 rows, i64 K)
    C[row, 0 : width] = A[row, 0 : K] @ panel[0 : K, 0 : width]        for every row

It cuts the rows into blocks as even as can be and keeps a block's sums in registers for the whole
of K: panels stream well enough from the second cache that cutting K too made each size slower.
Few rows get several sums for one result, since one chain of additions would wait for itself.

Where the processor multiplies pairs of bfloat16 (`Kernel.rounds_rows`), rows must first be rounded,
once for all panels, by

    void SYMBOL_round(ptr A, i64 lda, ptr rounded, i64 rows, i64 K)

and the kernel then takes `rounded` as A, and as `lda` `Kernel.rounded_stride(K)`, in bfloat16
elements; such a processor takes denormal numbers for zeros. Elsewhere bfloat16 weights are widened,
and rows keep their precision.

A kernel with `left="columns"`, in bfloat16, takes the transpose of a matrix: word (row, k) lies at
A + row + k * lda.
"""

from collections.abc import Sequence
from functools import cache

from ostinato.engine.cpu.machine_code import machine_code
from ostinato.engine.cpu.panels import (
    Kernel,
    lanes_below,
    masked_load,
    pack,
    rounded_by_processor,
    rounding_declaration,
)
from ostinato.engine.cpu.writer import Index, Writer, declarations

__all__ = ["Kernel", "address", "definitions", "pack", "rounding_address"]

_UNROLL = 2
_CHAINS = 8  # independent sums that keep the multipliers busy: latency 4, two of them
_MOST_ROWS = 12


def definitions(kernels: Sequence[Kernel]) -> str:
    """One module with each kernel's function, and its rounding where it has one."""
    declared = dict.fromkeys(
        line for kernel in kernels for line in _declarations(kernel).splitlines()
    )
    functions = [function for kernel in kernels for function in _functions(kernel)]
    return "\n".join([*declared, *functions])


def address(kernel: Kernel) -> int:
    """Where the kernel's machine code begins; compiled at the first call in a process."""
    return _addresses(kernel)[0]


def rounding_address(kernel: Kernel) -> int:
    """Where `SYMBOL_round` begins, of a kernel whose rows must be rounded."""
    return _addresses(kernel)[1]


@cache
def _addresses(kernel: Kernel) -> tuple[int, int]:
    code = machine_code(definitions([kernel]), kernel.target)
    return code.address(kernel.symbol), code.address(f"{kernel.symbol}_round")


def _declarations(kernel: Kernel) -> str:
    text = declarations(kernel.target)
    if kernel.rounds_rows:
        vector, pairs = kernel.target.vector, _pairs(kernel)
        text += f"\ndeclare {vector} {_PAIR_PRODUCT}({vector}, {pairs}, {pairs})"
        text += f"\n{rounding_declaration(kernel)}"
    return text


def _functions(kernel: Kernel) -> list[str]:
    blocks = [_block(kernel, rows) for rows in range(1, _most_rows(kernel) + 1)]
    rounding = [_rounding(kernel)] if kernel.rounds_rows and kernel.left == "rows" else []
    return [*blocks, _all_rows(kernel), *rounding]


def _most_rows(kernel: Kernel) -> int:
    """Rows whose sums fit the registers, beside a panel's row (or two) and one number of A."""
    weights = kernel.vectors * (2 if kernel.widens else 1)
    free = kernel.target.registers - weights - 1
    return max(1, min(_MOST_ROWS, free // kernel.vectors))


def _all_rows(kernel: Kernel) -> str:
    """The kernel: calls the function of each block's number of rows."""
    writer, most = Writer(kernel.target), _most_rows(kernel)
    blocks = writer.divide(writer.add("%rows", most - 1), most)
    with writer.loop(0, blocks) as block:
        first = writer.divide(writer.multiply("%rows", block), blocks)
        end = writer.divide(writer.multiply("%rows", writer.add(block, 1)), blocks)
        distance = first if kernel.left == "columns" else writer.multiply(first, "%lda")
        a = writer.at("%A", distance, _row_element(kernel))
        c = writer.at("%C", writer.multiply(first, "%ldc"))
        _call_block(writer, kernel, writer.subtract(end, first), a, c)
    return _function(
        f"define void @{kernel.symbol}(ptr noalias %A, i64 %lda, ptr noalias %panel, "
        "ptr noalias %C, i64 %ldc, i64 %rows, i64 %K)",
        writer,
    )


def _call_block(writer: Writer, kernel: Kernel, rows: Index, a: str, c: str) -> None:
    end = writer.name("called")[1:]
    cases = {count: writer.name("rows")[1:] for count in range(1, _most_rows(kernel) + 1)}
    branches = " ".join(f"i64 {count}, label %{label}" for count, label in cases.items())
    writer.do(f"switch i64 {rows}, label %{end} [{branches}]")
    for count, label in cases.items():
        writer.lines.append(f"{label}:")
        writer.do(
            f"call void @{kernel.symbol}_{count}(ptr {a}, i64 %lda, ptr %panel, ptr {c}, "
            "i64 %ldc, i64 %K)"
        )
        writer.do(f"br label %{end}")
    writer.lines.append(f"{end}:")


def _block(kernel: Kernel, rows: int) -> str:
    """The product of a fixed number of rows."""
    writer = Writer(kernel.target)
    sums = _zeroed_sums(writer, kernel, rows)
    groups = _whole_groups(writer, kernel)
    step = max(_UNROLL, len(sums))
    unrolled = writer.multiply(writer.divide(groups, step), step)
    with writer.loop(0, unrolled, step) as index:
        for turn in range(step):
            chain = sums[turn % len(sums)]
            _add_group(writer, kernel, writer.add(index, turn), chain)
    with writer.loop(unrolled, groups) as index:
        _add_group(writer, kernel, index, sums[0])
    if kernel.widens:
        with writer.loop(groups, writer.divide(writer.add("%K", 1), 2)) as index:
            _add_group(writer, kernel, index, sums[0], halves=1)
    _store_sums(writer, kernel, sums)
    return _function(
        f"define internal void @{kernel.symbol}_{rows}(ptr noalias %A, i64 %lda, "
        "ptr noalias %panel, ptr noalias %C, i64 %ldc, i64 %K) noinline",
        writer,
    )


def _zeroed_sums(writer: Writer, kernel: Kernel, rows: int) -> list[list[list[str]]]:
    """Slots for sums, by chain, row and vector; LLVM makes registers of them."""
    chains = 1
    while chains * rows * kernel.vectors < _CHAINS:
        chains *= 2
    sums = [
        [[writer.slot(kernel.target.vector) for _ in range(kernel.vectors)] for _ in range(rows)]
        for _ in range(chains)
    ]
    for slot in (slot for chain in sums for row in chain for slot in row):
        writer.store("zeroinitializer", slot)
    return sums


def _whole_groups(writer: Writer, kernel: Kernel) -> Index:
    """Rows of the panel that can be read to their end: A has no number for half of the last pair
    of an odd K, except where rounding has put a zero there."""
    if kernel.operand == "same":
        return "%K"
    return writer.divide(writer.add("%K", 1) if kernel.rounds_rows else "%K", 2)


def _add_group(
    writer: Writer,
    kernel: Kernel,
    index: Index,
    sums: list[list[str]],
    halves: int = 2,
) -> None:
    """Add the products of one row of the panel, or of the first half of its pairs."""
    for element, weights in _terms(writer, kernel, index)[:halves]:
        for place, row in zip(_places(writer, kernel, element, len(sums)), sums, strict=True):
            number = f"load {kernel.target.scalar}, ptr {place}, align {kernel.target.scalar_bytes}"
            factor = writer.broadcast(writer.assign(number))
            for weight, slot in zip(weights, row, strict=True):
                before = writer.load(slot)
                writer.store(_multiply_add(writer, kernel, factor, weight, before), slot)


def _places(writer: Writer, kernel: Kernel, element: Index, rows: int) -> list[str]:
    """Where the numbers (or words) of `element` of all rows lie."""
    if kernel.left == "columns":
        start = writer.at("%A", writer.multiply(element, "%lda"))
        return [writer.at(start, row) for row in range(rows)]
    starts = [
        writer.at("%A", writer.multiply("%lda", row), _row_element(kernel)) for row in range(rows)
    ]
    return [writer.at(start, element) for start in starts]


def _terms(writer: Writer, kernel: Kernel, index: Index) -> list[tuple[Index, list[str]]]:
    """What a row of the panel is multiplied with (an index in 32 or 64 bits), and its vectors."""
    target = kernel.target
    start = writer.at("%panel", writer.multiply(index, kernel.width))
    vectors = [
        writer.load(writer.at(start, vector * target.lanes), target.lanes * target.scalar_bytes)
        for vector in range(kernel.vectors)
    ]
    if not kernel.widens:
        return [(index, vectors)]
    even = writer.multiply(index, 2)
    low = [_widened(writer, "shl", vector, 16) for vector in vectors]
    high = [_widened(writer, "and", vector, -65536) for vector in vectors]
    return [(even, low), (writer.add(even, 1), high)]


def _widened(writer: Writer, operation: str, words: str, number: int) -> str:
    """One half of each word, as a number of 32 bits."""
    lanes, vector = writer.target.lanes, writer.target.vector
    operand = "<" + ", ".join([f"i32 {number}"] * lanes) + ">"
    bits = writer.assign(f"bitcast {vector} {words} to <{lanes} x i32>")
    half = writer.assign(f"{operation} <{lanes} x i32> {bits}, {operand}")
    return writer.assign(f"bitcast <{lanes} x i32> {half} to {vector}")


_PAIR_PRODUCT = "@llvm.x86.avx512bf16.dpbf16ps.512"


def _multiply_add(writer: Writer, kernel: Kernel, a: str, b: str, c: str) -> str:
    if not kernel.rounds_rows:
        return writer.multiply_add(a, b, c)
    vector, pairs = kernel.target.vector, _pairs(kernel)
    first, second = (writer.assign(f"bitcast {vector} {value} to {pairs}") for value in (a, b))
    given = f"{vector} {c}, {pairs} {first}, {pairs} {second}"
    return writer.assign(f"call {vector} {_PAIR_PRODUCT}({given})")


def _store_sums(writer: Writer, kernel: Kernel, sums: list[list[list[str]]]) -> None:
    for row in range(len(sums[0])):
        for vector in range(kernel.vectors):
            parts = [writer.load(chain[row][vector]) for chain in sums]
            while len(parts) > 1:
                pairs = zip(parts[::2], parts[1::2], strict=True)
                parts = [writer.binary("fadd", one, other) for one, other in pairs]
            place = writer.add(writer.multiply("%ldc", row), vector * kernel.target.lanes)
            writer.store(parts[0], writer.at("%C", place))


def _rounding(kernel: Kernel) -> str:
    """Rows in bfloat16, to nearest, and zeros up to the end of the last vector."""
    writer, lanes = Writer(kernel.target), kernel.target.lanes
    vectors = writer.divide(writer.add("%K", 2 * lanes - 1), 2 * lanes)
    with writer.loop(0, "%rows") as row, writer.loop(0, vectors) as index:
        start = writer.at("%A", writer.multiply(row, "%lda"))
        first = writer.multiply(index, 2 * lanes)
        low, high = (
            masked_load(
                writer, writer.at(start, number), lanes_below(writer, writer.subtract("%K", number))
            )
            for number in (first, writer.add(first, lanes))
        )
        vector = writer.add(writer.multiply(row, vectors), index)
        place = writer.at("%rounded", writer.multiply(vector, lanes))
        writer.store(rounded_by_processor(writer, low, high), place)
    return _function(
        f"define void @{kernel.symbol}_round(ptr noalias %A, i64 %lda, ptr noalias %rounded, "
        "i64 %rows, i64 %K)",
        writer,
    )


def _row_element(kernel: Kernel) -> str:
    rounded = kernel.rounds_rows and kernel.left == "rows"
    return "bfloat" if rounded else kernel.target.scalar


def _pairs(kernel: Kernel) -> str:
    return f"<{2 * kernel.target.lanes} x bfloat>"


def _function(head: str, writer: Writer) -> str:
    body = "\n".join(writer.entry + writer.lines)
    return f"{head} {{\nentry:\n{body}\n  ret void\n}}"
