"""Rows of a matrix whose columns are contiguous, copied so that each row's numbers lie together.

    void transpose(ptr matrix, i64 stride, ptr rows, i64 K, i64 count)

copies element (row, k), which lies at matrix + row + k * stride, to rows + row * row_stride(K) + k,
for `count` rows and all K. A square as wide as a vector goes at once, so that what is read in steps
of `stride` is read in whole lines.
"""

from functools import cache

from ostinato.engine.cpu.machine_code import MachineCode, machine_code
from ostinato.engine.cpu.panels import lanes_below, masked_load, transposed
from ostinato.engine.cpu.target import Target
from ostinato.engine.cpu.writer import Index, Writer, declarations

ROOM_BESIDE = 32
"""Numbers at most that a copied row takes beside its own K."""

_MULTIPLE = 16


def row_stride(writer: Writer, size: Index) -> Index:
    """Numbers from one copied row to the next: never a large power of two, at which the rows of a
    block would push each other out of the first cache.
    """
    whole = writer.divide(writer.add(size, _MULTIPLE - 1), _MULTIPLE)
    return writer.multiply(writer.add(whole, 1), _MULTIPLE)


def transposing_address(target: Target) -> int:
    """Where `transpose` begins, for the target's kind of number."""
    return _code(target).address("transpose")


@cache
def _code(target: Target) -> MachineCode:
    writer, lanes = Writer(target), target.lanes
    stride = row_stride(writer, "%K")
    with writer.loop(0, "%K", lanes) as first, writer.loop(0, "%count", lanes) as row:
        there = lanes_below(writer, writer.subtract("%count", row))
        # Past the last column the last one is read again: what is written there is never read.
        last = writer.subtract("%K", 1)
        columns = [writer.minimum(last, writer.add(first, lane)) for lane in range(lanes)]
        square = [
            masked_load(
                writer,
                writer.at("%matrix", writer.add(writer.multiply(column, "%stride"), row)),
                there,
            )
            for column in columns
        ]
        for lane, vector in enumerate(transposed(writer, square)):
            start = writer.multiply(writer.add(row, lane), stride)
            writer.store(vector, writer.at("%rows", writer.add(start, first)))
    body = "\n".join(writer.entry + writer.lines)
    text = (
        f"{declarations(target)}\n"
        "define void @transpose(ptr noalias %matrix, i64 %stride, ptr noalias %rows, i64 %K, "
        f"i64 %count) {{\nentry:\n{body}\n  ret void\n}}\n"
    )
    return machine_code(text, target)
