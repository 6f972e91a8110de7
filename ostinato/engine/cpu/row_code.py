"""What a loop does with one row, a sample at a step, as LLVM IR: loads, arithmetic, totals, stores.

Phases follow each other where a sum over the row's features must be complete before the next.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from ostinato.engine.cpu.arithmetic import Arithmetic
from ostinato.engine.cpu.panels import Kernel
from ostinato.engine.cpu.target import Target
from ostinato.engine.cpu.writer import Index, Writer
from ostinato.engine.passes import Buffer, Level, Pass, Place
from ostinato.engine.program import Node


class Panels(NamedTuple):
    """A product of the loop: its packed weights, its kernel, and the columns of its scratch."""

    product: Node
    kernel: Kernel
    tiles: int

    @property
    def name(self) -> str:
        return f"panels {self.product.number}"

    @property
    def scratch(self) -> str:
        return f"scratch {self.product.number}"

    @property
    def rounded(self) -> str:
        return f"rounded {self.product.number}"

    @property
    def columns(self) -> int:
        return self.tiles * self.kernel.width

    @property
    def rounded_stride(self) -> int:
        """bfloat16 numbers from one rounded row to the next."""
        return self.kernel.rounded_stride(self.product.label.shape[0])


class Item(NamedTuple):
    """One thing that a level does: "store" or "sum" a node at places, or add it to a "total"."""

    action: str
    node: Node
    places: tuple[Place, ...]
    total: Node | None


class RowCode:
    """The code of rows.

    Args:
        stages: the pass.
        target: the processor.
        plan: what each level does.
        panels: the products whose results lie in scratch rows.
    """

    def __init__(
        self,
        stages: Pass,
        target: Target,
        plan: Mapping[Level, list[Item]],
        panels: Sequence[Panels],
    ) -> None:
        self.stages = stages
        self.target = target
        self.plan = plan
        self.panels = panels
        self.writer = Writer(target)
        self.arithmetic = Arithmetic(self.writer)
        self.order: list[str] = []
        self.pointers: dict[str, str] = {}
        # Of the step in hand: the first row of each kind of buffer.
        self.starts: dict[str, Index] = {}
        # Of the row in hand: where it is, scalars, addresses of rows, slots of totals.
        self.row: Index = 0
        self.block_row: Index = 0
        self.scalars: dict[Node, str] = {}
        self.rows: dict[tuple[str, str], str] = {}
        self.slots: dict[Node, str] = {}
        # Of the vector in hand.
        self.values: dict[Node, str] = {}
        self.column: Index = 0
        self.live = target.lanes
        self.before_loop: list[str] | None = None

    def write_row(self, row: Index, block_row: Index, levels: Sequence[Level]) -> None:
        """All that these levels do with a row; `block_row`: its place among the rows in hand."""
        self.row, self.block_row = row, block_row
        self.scalars, self.rows, self.slots = {}, {}, {}
        for level in levels:
            self._phase(level)

    def _phase(self, level: Level) -> None:
        for item in self.plan[level]:
            if item.total is not None and item.total not in self.slots:
                self.slots[item.total] = slot = self.writer.slot(self.target.vector)
                self.writer.store("zeroinitializer", slot, 64)
        widths: dict[int, list[Item]] = {}
        for item in self.plan[level]:
            widths.setdefault(item.node.width, []).append(item)
        for width, items in widths.items():
            if width == 1:
                self._scalar_items(items, level)
            else:
                self._vector_items(items, level, width)

    def _vector_items(self, items: list[Item], level: Level, width: int) -> None:
        lanes = self.target.lanes
        whole = width - width % lanes
        if whole:
            with self._loop_with_preamble(whole // lanes) as index:
                self._vector(items, level, self.writer.multiply(index, lanes), lanes)
        if width % lanes:
            self._vector(items, level, whole, width % lanes)

    @contextmanager
    def _loop_with_preamble(self, count: int) -> Iterator[str]:
        """A loop; what its body asks of the row as a whole is written before it."""
        outer, inner = self.writer.lines, list[str]()
        self.before_loop, self.writer.lines = outer, inner
        with self.writer.loop(0, count) as index:
            yield index
        self.before_loop, self.writer.lines = None, outer
        outer.extend(inner)

    @contextmanager
    def _once_a_row(self) -> Iterator[None]:
        """Write into the preamble of the loop in hand, if there is one."""
        if self.before_loop is None:
            yield
            return
        inner, outer = self.writer.lines, self.before_loop
        self.writer.lines, self.before_loop = outer, None
        yield
        self.writer.lines, self.before_loop = inner, outer

    # ---- one vector of a row

    def _vector(self, items: list[Item], level: Level, column: Index, lanes: int) -> None:
        """All that a level does at these columns; every load comes before any store."""
        self.values = {}
        self.column, self.live = column, lanes
        found = [self._value(item.node, level) for item in items]
        for item, value in zip(items, found, strict=True):
            if item.total is not None:
                self._add_to_slot(item.total, self._only_live(value))
            for place in item.places:
                added = value
                if item.action == "sum":
                    added = self.writer.binary("fadd", self._load(place), value)
                self._store(added, place)

    def _value(self, node: Node, level: Level) -> str:
        if node.operation == "constant":
            return self.writer.splat(node.label)
        if node.operation == "zero":
            return "zeroinitializer"
        if node.width == 1:
            return self._scalar(node, level)
        if node not in self.values:
            place = self._in_memory(node, level)
            if place is not None:
                self.values[node] = self._load(place)
            elif node.operation == "part":
                self.values[node] = self._load_part(node)
            else:
                given = [self._value(argument, level) for argument in node.arguments]
                self.values[node] = self.arithmetic.apply(node.label, given)
        return self.values[node]

    def _in_memory(self, node: Node, level: Level) -> Place | None:
        place = self.stages.place_of(node)
        if place is None and node in self.stages.stores and self.stages.level(node) < level:
            place = self.stages.stores[node][0]
        return place

    def _load(self, place: Place) -> str:
        address = self._address(place)
        if self.live == self.target.lanes:
            return self.writer.load(address)
        vector, mask = self.target.vector, self._mask()
        return self.writer.assign(
            f"call {vector} @llvm.masked.load.{self.target.suffix}.p0(ptr {address}, i32 "
            f"{self.target.scalar_bytes}, {mask}, {vector} zeroinitializer)"
        )

    def _load_part(self, node: Node) -> str:
        # Beyond the last column a scratch row goes on: with the next part or with padding.
        address = self.writer.at(self._scratch_row(node), self.column)
        return self.writer.load(address)

    def _scratch_row(self, node: Node) -> str:
        panels = next(each for each in self.panels if each.product is node.arguments[0])
        key = (panels.scratch, "block")
        if key not in self.rows:
            with self._once_a_row():
                offset = self.writer.multiply(self.block_row, panels.columns)
                self.rows[key] = self.writer.at(self._pointer(panels.scratch), offset)
        return self.writer.at(self.rows[key], node.label)

    def _store(self, value: str, place: Place) -> None:
        address = self._address(place)
        if self.live == self.target.lanes:
            self.writer.store(value, address)
            return
        self.writer.do(
            f"call void @llvm.masked.store.{self.target.suffix}.p0({self.target.vector} {value}, "
            f"ptr {address}, i32 {self.target.scalar_bytes}, {self._mask()})"
        )

    def _mask(self) -> str:
        lanes = self.target.lanes
        bits = ", ".join(f"i1 {'true' if lane < self.live else 'false'}" for lane in range(lanes))
        return f"<{lanes} x i1> <{bits}>"

    def _only_live(self, value: str) -> str:
        if self.live == self.target.lanes:
            return value
        vector = self.target.vector
        return self.writer.assign(
            f"select {self._mask()}, {vector} {value}, {vector} zeroinitializer"
        )

    # ---- scalars of a row, each in all lanes of a vector

    def _scalar_items(self, items: list[Item], level: Level) -> None:
        found = [self._value(item.node, level) for item in items]  # every load before any store
        for item, value in zip(items, found, strict=True):
            lane = self.writer.assign(f"extractelement {self.target.vector} {value}, i32 0")
            if item.total is not None:
                vector, scalar = self.target.vector, self.target.scalar
                alone = f"insertelement {vector} zeroinitializer, {scalar} {lane}, i32 0"
                self._add_to_slot(item.total, self.writer.assign(alone))
            for place in item.places:
                self._store_scalar(lane, place, add=item.action == "sum")

    def _store_scalar(self, lane: str, place: Place, *, add: bool) -> None:
        scalar = self.target.scalar
        address = self.writer.at(self._row(place), place.offset)
        if add:
            old = self.writer.assign(f"load {scalar}, ptr {address}")
            lane = self.writer.assign(f"fadd {scalar} {old}, {lane}")
        self.writer.do(f"store {scalar} {lane}, ptr {address}")

    def _scalar(self, node: Node, level: Level) -> str:
        if node not in self.scalars:
            with self._once_a_row():
                self.scalars[node] = self._make_scalar(node, level)
        return self.scalars[node]

    def _make_scalar(self, node: Node, level: Level) -> str:
        here = self.stages.level(node)[0] == level[0]
        place = self._in_memory(node, level)
        if node.operation == "sum" and here and self.stages.belongs(node):
            return self._total(node)
        if place is not None:
            address = self.writer.at(self._row(place), place.offset)
        elif node.operation == "part":
            address = self._scratch_row(node)
        else:
            given = [self._value(argument, level) for argument in node.arguments]
            return self.arithmetic.apply(node.label, given)
        return self.writer.broadcast(
            self.writer.assign(f"load {self.target.scalar}, ptr {address}")
        )

    def _add_to_slot(self, total: Node, value: str) -> None:
        slot = self.slots[total]
        self.writer.store(self.writer.binary("fadd", self.writer.load(slot, 64), value), slot, 64)

    def _total(self, node: Node) -> str:
        scalar, suffix = self.target.scalar, self.target.suffix
        value = self.writer.load(self.slots[node], 64)
        return self.writer.broadcast(
            self.writer.assign(
                f"call reassoc {scalar} @llvm.vector.reduce.fadd.{suffix}"
                f"({scalar} 0.0, {self.target.vector} {value})"
            )
        )

    # ---- addresses

    def _buffer(self, place: Place) -> Buffer:
        return self.stages.buffers[place.buffer]

    def _pointer(self, name: str) -> str:
        if name not in self.pointers:
            self.pointers[name] = f"%memory{len(self.order)}"
            self.order.append(name)
        return self.pointers[name]

    def _row(self, place: Place) -> str:
        """Where the row in hand begins in a buffer."""
        key = (place.buffer, place.index)
        if key not in self.rows:
            with self._once_a_row():
                self.rows[key] = self._find_row(place)
        return self.rows[key]

    def _find_row(self, place: Place) -> str:
        if place.index == "vector":
            return self._pointer(place.buffer)
        row = self.block_row
        if place.index != "block":
            row = self.writer.add(self.starts[place.index], self.row)
        offset = self.writer.multiply(row, self._buffer(place).width)
        return self.writer.at(self._pointer(place.buffer), offset)

    def _address(self, place: Place) -> str:
        return self.writer.at(self._row(place), self.writer.add(self.column, place.offset))
