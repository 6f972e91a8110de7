"""A pass over time as LLVM IR: loops over steps, samples and vectors around the stages.

    void run(ptr fields, i64 part, i64 parts, ptr meeting)

The fields are those of `FIELDS`, then the address of every buffer (and kernel) in the order of
`Emitted.order`. `steps` is a table (time, 4): how many samples are in hand at the step, and the
first of their rows in buffers of steps, of states before the step, and of states after it.
`samples` is the size of the whole batch, `first` the first sample in hand. All samples in hand go
through a step together, in blocks whose products fit the second-level cache.

Either each thread has samples of its own and is part 0 of 1; no thread waits for another. Or all
have the same samples in hand: then they share the columns of each product, meet, share the rows of
what follows, and meet again. Weights are then read once by all, not once by each.

Every second step goes through the columns of a product from the last to the first: what the cache
kept of weights larger than itself is what was read last.
"""

from dataclasses import dataclass
from functools import cached_property

from ostinato.engine.cpu import mathematics
from ostinato.engine.cpu.panels import Kernel, Operand
from ostinato.engine.cpu.row_code import Item, Panels, RowCode
from ostinato.engine.cpu.target import Target
from ostinato.engine.cpu.writer import Index, declarations
from ostinato.engine.passes import Level, Pass, Place
from ostinato.engine.program import Node

FIELDS = ("steps", "time", "samples", "first", "turn")
"""`turn` is 1 where the first step of the loop is to go through columns from the last, else 0."""

_SCRATCH_NUMBERS = 131_072  # of a block's products: half a megabyte in single precision
_FEWEST_ROWS = 32
_ROWS_OF_A_SUBTOTAL = 128


@dataclass(frozen=True)
class Emitted:
    """The text of a pass and what it needs in memory.

    `order`: the names behind the fields: buffers, "panels N", "scratch N", "rounded N" (an
    operand's rows in bfloat16), "kernel SYMBOL" and "rounding SYMBOL";
    `block`: how many samples are in hand at a time, the rows of block and scratch buffers.
    """

    text: str
    order: tuple[str, ...]
    panels: tuple[Panels, ...]
    block: int

    @cached_property
    def multiplications(self) -> int:
        """Of one row at one step."""
        sizes = (panels.product.label.shape for panels in self.panels)
        return sum(size * columns for size, columns in sizes)

    @cached_property
    def most_tiles(self) -> int:
        """Of the widest product: the most threads that can share its columns."""
        return max((panels.tiles for panels in self.panels), default=1)


def emit(stages: Pass, target: Target, *, backward: bool, operand: Operand = "same") -> Emitted:
    """The loop of one pass for one target; `operand`: how the products' factors are rounded."""
    return _Emitter(stages, target, operand, backward=backward).emit()


class _Emitter(RowCode):
    """The loops over steps, blocks of samples and products around the code of rows."""

    def __init__(self, stages: Pass, target: Target, operand: Operand, *, backward: bool) -> None:
        plan = _plan(stages)
        super().__init__(stages, target, plan, _panels(stages, target, operand, plan))
        self.backward = backward
        widest = max((panels.columns for panels in self.panels), default=1)
        self.block = max(_FEWEST_ROWS, _SCRATCH_NUMBERS // widest)

    def emit(self) -> Emitted:
        writer = self.writer
        pending = writer.slot("i64")
        writer.do(f"store i64 0, ptr {pending}")
        with writer.loop(0, "%time") as count:
            last = writer.subtract("%time", 1)
            step = writer.subtract(last, count) if self.backward else count
            self.turn = writer.assign(f"and i64 {writer.add(count, '%turn')}, 1")
            table = writer.at("%steps", writer.multiply(step, 4), "i64")
            names = ("samples", "step", "before", "after")
            found = {
                name: writer.assign(f"load i64, ptr {writer.at(table, place, 'i64')}")
                for place, name in enumerate(names)
            }
            half = writer.assign(f"and i64 {step}, 1")
            other = writer.assign(f"xor i64 {half}, 1")
            self.starts = {
                "step": found["step"],
                "before": found["before"],
                "after": found["after"],
                "sample": "%first",
                "carried": writer.add(writer.multiply(half, "%samples"), "%first"),
                "carrying": writer.add(writer.multiply(other, "%samples"), "%first"),
            }
            with writer.loop(0, found["samples"], self.block) as first:
                left = writer.subtract(found["samples"], first)
                self.first = first
                self.count = writer.minimum(left, self.block)
                self.own_rows = self._share(self.count)
                for segment in sorted({level[0] for level in self.plan} | self._segments()):
                    self._segment(segment)
            self._add_subtotals(
                pending, found["samples"], writer.assign(f"icmp eq i64 {count}, {last}")
            )
        functions = mathematics.definitions(self.target, sorted(self.arithmetic.functions))
        text = "\n".join([declarations(self.target), functions, self._function()])
        return Emitted(text, tuple(self.order), tuple(self.panels), self.block)

    def _function(self) -> str:
        loads = [line for place, name in enumerate(FIELDS) for line in _field(name, place)]
        for place, name in enumerate(self.order, len(FIELDS)):
            loads += self._pointer_field(name, place)
        flush = self.backward and self.target.flushes
        body = [
            *self.writer.entry,
            *loads,
            *(_FLUSH if flush else []),
            *self.writer.lines,
            *(_UNFLUSH if flush else []),
        ]
        head = "define void @run(ptr noalias %fields, i64 %part, i64 %parts, ptr %meeting) {"
        return f"{head}\nentry:\n" + "\n".join([*body, "  ret void\n}"])

    def _pointer_field(self, name: str, place: int) -> list[str]:
        """The address of a buffer; of what each thread has for itself, that of its own."""
        pointer = self.pointers[name]
        at = f"  {pointer}.at = getelementptr i64, ptr %fields, i64 {place}"
        own = self._bytes_of_a_part(name)
        if not own:
            return [at, f"  {pointer} = load ptr, ptr {pointer}.at"]
        return [
            at,
            f"  {pointer}.all = load ptr, ptr {pointer}.at",
            f"  {pointer}.distance = mul i64 %part, {own}",
            f"  {pointer} = getelementptr i8, ptr {pointer}.all, i64 {pointer}.distance",
        ]

    def _bytes_of_a_part(self, name: str) -> int:
        for panels in self.panels:
            if name == panels.rounded:
                return 2 * self.block * panels.rounded_stride
        buffer = self.stages.buffers.get(name)
        return 0 if buffer is None else buffer.numbers_of_a_thread * self.target.scalar_bytes

    # ---- sums over all rows

    def _add_subtotals(self, pending: str, rows: str, last: str) -> None:
        """Every so many rows, and after the last, what they came to is added to the whole.

        One long chain of additions would lose digits as the rows grow many. So the chains are
        short, and what a total loses by rounding is added with the next subtotal (Kahan 1965).
        """
        buffers = self.stages.buffers
        sums = [name for name in self.order if name in buffers and buffers[name].kind == "sums"]
        if not sums:
            return
        writer = self.writer
        count = writer.add(writer.assign(f"load i64, ptr {pending}"), rows)
        writer.do(f"store i64 {count}, ptr {pending}")
        enough = writer.assign(f"icmp uge i64 {count}, {_ROWS_OF_A_SUBTOTAL}")
        with writer.when(writer.assign(f"or i1 {enough}, {last}")):
            writer.do(f"store i64 0, ptr {pending}")
            self.rows = {}
            for name in sums:
                self._add_subtotal(name)

    def _add_subtotal(self, name: str) -> None:
        width, lanes = self.stages.buffers[name].width, self.target.lanes
        whole = width - width % lanes
        if whole:
            with self.writer.loop(0, whole, lanes) as column:
                self._add_subtotal_at(name, column, lanes)
        if width % lanes:
            self._add_subtotal_at(name, whole, width % lanes)

    def _add_subtotal_at(self, name: str, column: Index, lanes: int) -> None:
        self.column, self.live = column, lanes
        writer, total = self.writer, Place(name, 0, "vector")
        subtotal = _subtotal(self.stages, total)
        lost = _subtotal(self.stages, subtotal)
        before = self._load(total)
        added = writer.binary("fadd", self._load(subtotal), self._load(lost))
        after = writer.binary("fadd", before, added)
        missing = writer.binary("fsub", added, writer.binary("fsub", after, before))
        # Of an infinite total nothing is lost that could be told.
        number = writer.compare("ord", missing, missing)
        self._store(writer.choose(number, missing, "zeroinitializer"), lost)
        self._store(after, total)
        self._store("zeroinitializer", subtotal)

    # ---- threads that have the same samples in hand

    def _share(self, count: Index) -> tuple[Index, Index]:
        """This part's share of 0 up to `count`."""
        writer = self.writer
        low = writer.divide(writer.multiply(count, "%part"), "%parts")
        following = writer.add("%part", 1)
        return low, writer.divide(writer.multiply(count, following), "%parts")

    def _meet(self) -> None:
        writer = self.writer
        several = writer.assign("icmp ugt i64 %parts, 1")
        with writer.when(several):
            function = writer.assign("load ptr, ptr %meeting")
            writer.do(f"call void {function}(ptr %meeting, i64 %parts)")

    # ---- one segment: products, then all phases of a row, row after row

    def _segments(self) -> set[int]:
        return {self.stages.level(panels.product)[0] for panels in self.panels}

    def _segment(self, segment: int) -> None:
        products = [
            panels for panels in self.panels if self.stages.level(panels.product)[0] == segment
        ]
        for panels in products:
            self._product(panels)
        phases = sorted(level for level in self.plan if level[0] == segment)
        if not phases:
            return
        if products:
            self._meet()
        with self.writer.loop(*self.own_rows) as row:
            self.write_row(self.writer.add(self.first, row), row, phases)
        self._meet()

    def _product(self, panels: Panels) -> None:
        writer, kernel = self.writer, panels.kernel
        place = self.stages.operands[panels.product]
        width = self._buffer(place).width
        first = 0 if place.index == "block" else writer.add(self.starts[place.index], self.first)
        start = writer.add(writer.multiply(first, width), place.offset)
        operand = writer.at(self._pointer(place.buffer), start)
        size = panels.product.label.shape[0]
        stride = width
        if kernel.rounds_rows:
            operand, stride = self._rounded(panels, operand, width, size)
        function = self._pointer(f"kernel {kernel.symbol}")
        low, high = self._share(panels.tiles)
        upward = writer.assign(f"icmp eq i64 {self.turn}, 0")
        with writer.loop(low, high) as place:
            back = writer.subtract(writer.add(low, writer.subtract(high, 1)), place)
            tile = writer.assign(f"select i1 {upward}, i64 {place}, i64 {back}")
            offset = writer.multiply(tile, kernel.panel_rows(size) * kernel.width)
            panel = writer.at(self._pointer(panels.name), offset)
            result = writer.at(self._pointer(panels.scratch), writer.multiply(tile, kernel.width))
            writer.do(
                f"call void {function}(ptr {operand}, i64 {stride}, ptr {panel}, ptr {result}, "
                f"i64 {panels.columns}, i64 {self.count}, i64 {size})"
            )

    def _rounded(self, panels: Panels, operand: str, width: int, size: int) -> tuple[str, int]:
        """The operand's rows in bfloat16, once for all tiles; where they lie, and their stride."""
        function = self._pointer(f"rounding {panels.kernel.symbol}")
        rounded = self._pointer(panels.rounded)
        self.writer.do(
            f"call void {function}(ptr {operand}, i64 {width}, ptr {rounded}, "
            f"i64 {self.count}, i64 {size})"
        )
        return rounded, panels.rounded_stride


def _field(name: str, place: int) -> list[str]:
    """Load a word of the fields."""
    kind = "ptr" if name == "steps" else "i64"
    return [
        f"  %{name}.at = getelementptr i64, ptr %fields, i64 {place}",
        f"  %{name} = load {kind}, ptr %{name}.at",
    ]


def _plan(stages: Pass) -> dict[Level, list[Item]]:
    """What each level does."""
    plan: dict[Level, list[Item]] = {}
    for node, places in stages.stores.items():
        plan.setdefault(stages.level(node), []).append(Item("store", node, tuple(places), None))
    for node, place in stages.sums:
        if stages.buffers[place.buffer].kind == "sums":
            place = _subtotal(stages, place)
        item = Item("sum", node, (place,), None)
        plan.setdefault(stages.level(node), []).append(item)
    for total, level in stages.totals.items():
        items = [Item("total", node, (), total) for node in total.arguments]
        plan.setdefault(level, []).extend(items)
    return plan


def _subtotal(stages: Pass, total: Place) -> Place:
    """Where a sum over the last rows lies: behind that over all before them."""
    return total._replace(offset=total.offset + stages.buffers[total.buffer].width)


def _panels(
    stages: Pass, target: Target, operand: Operand, plan: dict[Level, list[Item]]
) -> list[Panels]:
    """The products that this pass's own values need."""
    wanted, seen = dict[Node, None](), set[Node]()
    waiting = [item.node for items in plan.values() for item in items]
    while waiting:
        node = waiting.pop()
        if node in seen or stages.is_leaf(node) or not stages.belongs(node):
            continue
        seen.add(node)
        if node.operation == "product":
            wanted[node] = None
        waiting += node.arguments
    found = []
    for product in sorted(wanted, key=lambda node: node.number):
        columns = product.label.shape[1]
        vectors = min(4, -(-columns // target.lanes))
        kernel = Kernel(target, vectors, operand)
        found.append(Panels(product, kernel, -(-columns // kernel.width)))
    return found


# A gradient that vanishes becomes denormal numbers, which cost a hundred times as much: they count
# as zero while the backward pass runs, and the processor is left as it was.
_FLUSH = [
    "  %control = alloca i32",
    "  %flushing = alloca i32",
    "  call void @llvm.x86.sse.stmxcsr(ptr %control)",
    "  %found = load i32, ptr %control",
    "  %changed = or i32 %found, 32832",
    "  store i32 %changed, ptr %flushing",
    "  call void @llvm.x86.sse.ldmxcsr(ptr %flushing)",
]
_UNFLUSH = ["  call void @llvm.x86.sse.ldmxcsr(ptr %control)"]
