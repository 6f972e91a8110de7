"""The loops around the kernels of a large product, as machine code: see `large_products`.

    void run(ptr fields, i64 part, i64 parts, ptr meeting)

computes the part of a product that `FIELDS` tell. Memory of a thread, from `scratch` on: one tile
of the result, a few panels of the left matrix (where they are copied), panels of the right one.
"""

from contextlib import AbstractContextManager
from typing import NamedTuple

from ostinato.engine.cpu.panels import (
    Along,
    Kernel,
    all_lanes_if,
    lanes_below,
    masked_load,
    masked_store,
)
from ostinato.engine.cpu.transposing import ROOM_BESIDE, row_stride
from ostinato.engine.cpu.writer import Index, Writer, declarations

FIELDS = (
    *("product", "tail_product", "pack", "tail_pack", "prepare", "tail_width"),
    *("left", "left_stride", "right", "right_stride", "out", "out_stride"),
    *("rows", "K", "columns", "add", "scratch"),
    *("first_panel", "end_panel", "first_tile", "end_tile"),
)
"""All 64 bits wide: addresses of functions and matrices, sizes, and bounds of the part. `tail` is
the last tile, where it is narrower than the others."""

ROWS = 48
"""Of a panel of the left matrix: whole blocks of every kernel, whole vectors."""

ROW_PANELS_AT_ONCE = 2
"""Panels of the left matrix that share a panel of the right one while it is near."""

TILES_AT_ONCE = 32
"""Panels of the right matrix in a thread's memory."""


def stretch_of(kernel: Kernel) -> int:
    """How much of K is taken at once, even: a panel of the right matrix fits the second cache."""
    return 2048 if kernel.operand == "bfloat16" else 1024


def copies_left(kernel: Kernel, left_along: Along) -> bool:
    """Whether a few panels of the left matrix are copied before they are read.

    To round them, or because its columns are contiguous: numbers that follow along K then lie far
    apart, often by a power of two, so that few of them stay in a cache.
    """
    return kernel.operand == "bfloat16" or left_along == "columns"


def numbers_before_right(kernel: Kernel, left_along: Along) -> int:
    """Where panels of the right matrix begin in a thread's memory."""
    row = stretch_of(kernel) + ROOM_BESIDE if copies_left(kernel, left_along) else 0
    return ROWS * (kernel.width + ROW_PANELS_AT_ONCE * row)


def text_of(kernel: Kernel, left_along: Along, right_along: Along) -> str:
    """The module with `run`, for a kernel and what of either matrix is contiguous."""
    loops = _Loops(kernel, left_along, right_along)
    loops.write()
    body = "\n".join(loops.writer.entry + loops.writer.lines)
    return (
        f"{declarations(kernel.target)}\n"
        "define void @run(ptr noalias %fields, i64 %part, i64 %parts, ptr %meeting) {\n"
        f"entry:\n{body}\n  ret void\n}}\n"
    )


class _Part(NamedTuple):
    """A stretch of K: where it starts, its length, and whether the result holds something."""

    start: Index
    size: str
    adds: str


class _Loops:
    """Writes the loops around the kernels."""

    def __init__(self, kernel: Kernel, left_along: Along, right_along: Along) -> None:
        self.kernel = kernel
        self.left_along: Along = left_along
        self.right_along = right_along
        self.writer = Writer(kernel.target)
        self.stretch = stretch_of(kernel)

    def write(self) -> None:
        writer = self.writer
        self.fields = {name: self._field(index) for index, name in enumerate(FIELDS)}
        fields = self.fields
        self.whole_tiles = writer.divide(fields["columns"], self.kernel.width)
        with writer.loop(0, fields["K"], self.stretch) as start:
            size = writer.minimum(self.stretch, writer.subtract(fields["K"], start))
            later = writer.assign(f"zext i1 {writer.assign(f'icmp ne i64 {start}, 0')} to i64")
            part = _Part(start, size, writer.assign(f"or i64 {later}, {fields['add']}"))
            with writer.loop(fields["first_tile"], fields["end_tile"], TILES_AT_ONCE) as first:
                end = writer.minimum(fields["end_tile"], writer.add(first, TILES_AT_ONCE))
                self._pack_tiles(part, first, end)
                self._row_panels(part, first, end)

    def _field(self, index: int) -> str:
        place = self.writer.at("%fields", index, "i64")
        return self.writer.assign(f"load i64, ptr {place}, align 8")

    def _pack_tiles(self, part: _Part, first: Index, end: Index) -> None:
        writer, fields, width = self.writer, self.fields, self.kernel.width
        whole = writer.minimum(end, self.whole_tiles)
        columns = writer.multiply(writer.subtract(whole, first), width)
        with self._when(f"icmp slt i64 {first}, {whole}"):
            self._pack("pack", part, first, self._tile_panel(part, first, first), columns)
        with self._when(f"icmp slt i64 {self.whole_tiles}, {end}"):
            rest = writer.subtract(fields["columns"], writer.multiply(self.whole_tiles, width))
            panel = self._tile_panel(part, first, self.whole_tiles)
            self._pack("tail_pack", part, self.whole_tiles, panel, rest)

    def _pack(self, function: str, part: _Part, tile: Index, panel: str, columns: Index) -> None:
        writer, fields = self.writer, self.fields
        column = writer.multiply(tile, self.kernel.width)
        down, across = (part.start, column) if self.right_along == "rows" else (column, part.start)
        place = self._element("right", down, fields["right_stride"], across)
        self._call(
            function,
            f"ptr {place}, i64 {fields['right_stride']}, ptr {panel}, i64 {part.size}, "
            f"i64 {columns}",
        )

    def _row_panels(self, part: _Part, first: Index, end: Index) -> None:
        writer, fields = self.writer, self.fields
        panels = fields["first_panel"], fields["end_panel"]
        with writer.loop(*panels, ROW_PANELS_AT_ONCE) as low:
            high = writer.minimum(panels[1], writer.add(low, ROW_PANELS_AT_ONCE))
            if copies_left(self.kernel, self.left_along):
                self._prepare(part, low, high)
            with writer.loop(first, end) as tile, writer.loop(low, high) as panel:
                self._cell(part, first, tile, low, panel)

    def _prepare(self, part: _Part, low: Index, high: Index) -> None:
        """Copy a few panels of the left matrix, in bfloat16 where the kernel wants that."""
        writer, fields = self.writer, self.fields
        row = writer.multiply(low, ROWS)
        count = writer.subtract(writer.minimum(fields["rows"], writer.multiply(high, ROWS)), row)
        sizes = f"i64 {count}, i64 {part.size}"
        if self.left_along == "columns":
            sizes = f"i64 {part.size}, i64 {count}"
        source, place = self._left(part, row), self._scratch(ROWS * self.kernel.width)
        self._call("prepare", f"ptr {source}, i64 {fields['left_stride']}, ptr {place}, {sizes}")

    def _cell(self, part: _Part, first: Index, tile: Index, low: Index, panel: Index) -> None:
        """One tile of one panel of rows, straight into the result or by way of the scratch."""
        writer, fields, width = self.writer, self.fields, self.kernel.width
        row, count = self._rows_of(panel)
        column = writer.multiply(tile, width)
        out = self._element("out", row, fields["out_stride"], column)
        is_whole = writer.assign(f"icmp slt i64 {tile}, {self.whole_tiles}")
        is_first = writer.assign(f"icmp eq i64 {part.adds}, 0")
        direct = writer.assign(f"and i1 {is_whole}, {is_first}")
        own_width = self._select(is_whole, str(width), fields["tail_width"])
        scratch = self._scratch(0)
        place = writer.assign(f"select i1 {direct}, ptr {out}, ptr {scratch}")
        stride = self._select(direct, fields["out_stride"], own_width)
        left, left_stride = self._left_of_kernel(part, low, panel, row)
        function = self._select(is_whole, fields["product"], fields["tail_product"])
        self._call_address(
            function,
            f"ptr {left}, i64 {left_stride}, ptr {self._tile_panel(part, first, tile)}, "
            f"ptr {place}, i64 {stride}, i64 {count}, i64 {part.size}",
        )
        with self._when(f"icmp eq i1 {direct}, 0"):
            columns = writer.minimum(own_width, writer.subtract(fields["columns"], column))
            self._merge(part, scratch, own_width, out, count, columns)

    def _merge(
        self, part: _Part, scratch: str, width: Index, out: str, count: Index, columns: Index
    ) -> None:
        """Put a tile into the result, or add it."""
        writer, lanes = self.writer, self.kernel.target.lanes
        adds = all_lanes_if(writer, f"icmp ne i64 {part.adds}, 0")
        with writer.loop(0, count) as row, writer.loop(0, columns, lanes) as column:
            mask = lanes_below(writer, writer.subtract(columns, column))
            old = writer.assign(f"and <{lanes} x i1> {mask}, {adds}")
            start = writer.add(writer.multiply(row, self.fields["out_stride"]), column)
            place = writer.at(out, start)
            value = writer.load(writer.at(scratch, writer.add(writer.multiply(row, width), column)))
            total = writer.binary("fadd", masked_load(writer, place, old), value)
            masked_store(writer, total, place, mask)

    # ---- places

    def _rows_of(self, panel: Index) -> tuple[Index, Index]:
        """First row and number of rows of a panel."""
        first = self.writer.multiply(panel, ROWS)
        return first, self.writer.minimum(ROWS, self.writer.subtract(self.fields["rows"], first))

    def _left(self, part: _Part, row: Index) -> str:
        down, across = (row, part.start) if self.left_along == "rows" else (part.start, row)
        return self._element("left", down, self.fields["left_stride"], across)

    def _left_of_kernel(
        self, part: _Part, low: Index, panel: Index, row: Index
    ) -> tuple[str, Index]:
        if not copies_left(self.kernel, self.left_along):
            return self._left(part, row), self.fields["left_stride"]
        writer = self.writer
        number = writer.multiply(writer.subtract(panel, low), ROWS)
        prepared = self._scratch(ROWS * self.kernel.width)
        if self.kernel.left == "columns":
            return writer.at(prepared, writer.multiply(number, self._groups(part))), ROWS
        if self.kernel.operand == "same":
            stride = row_stride(writer, part.size)
            return writer.at(prepared, writer.multiply(number, stride)), stride
        vector = 2 * self.kernel.target.lanes
        vectors = writer.divide(writer.add(part.size, vector - 1), vector)
        stride = writer.multiply(vectors, vector)
        return writer.at(prepared, writer.multiply(number, stride), "bfloat"), stride

    def _tile_panel(self, part: _Part, first: Index, tile: Index) -> str:
        writer = self.writer
        number = writer.multiply(writer.subtract(tile, first), self.kernel.width)
        start = self._scratch(numbers_before_right(self.kernel, self.left_along))
        return writer.at(start, writer.multiply(number, self._groups(part)))

    def _groups(self, part: _Part) -> Index:
        """Numbers of 32 bits along K in bfloat16, else numbers."""
        if self.kernel.operand == "same":
            return part.size
        return self.writer.divide(self.writer.add(part.size, 1), 2)

    def _scratch(self, number: Index) -> str:
        pointer = self.writer.assign(f"inttoptr i64 {self.fields['scratch']} to ptr")
        return self.writer.at(pointer, number)

    def _element(self, matrix: str, down: Index, stride: Index, across: Index) -> str:
        writer = self.writer
        pointer = writer.assign(f"inttoptr i64 {self.fields[matrix]} to ptr")
        return writer.at(pointer, writer.add(writer.multiply(down, stride), across))

    # ---- instructions

    def _select(self, condition: str, yes: Index, no: Index) -> str:
        return self.writer.assign(f"select i1 {condition}, i64 {yes}, i64 {no}")

    def _when(self, comparison: str) -> AbstractContextManager[None]:
        """Do what follows only where the comparison holds."""
        return self.writer.when(self.writer.assign(comparison))

    def _call(self, function: str, arguments: str) -> None:
        self._call_address(self.fields[function], arguments)

    def _call_address(self, function: Index, arguments: str) -> None:
        pointer = self.writer.assign(f"inttoptr i64 {function} to ptr")
        self.writer.do(f"call void {pointer}({arguments})")
