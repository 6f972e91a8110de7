"""One pass over time: what is computed at which level, and what is kept for later.

A level is (segment, phase). A segment begins with the products whose operands earlier segments have
finished; a phase begins where a sum over features is complete. Within a level everything is done
vector by vector in registers.

A value of an earlier level, or of the forward pass, is computed again where that is cheap (a few
additions and products from at most one value not yet in memory), and stored otherwise.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from ostinato.engine.program import TRUTHS, Node, Program, Row

Level = tuple[int, int]

PARTS_OF_A_SUM = 3
"""What a thread has of a sum over all rows: a total, a subtotal, and what rounding lost."""


class Buffer(NamedTuple):
    """A part of memory. What a row of it stands for is its kind.

    steps: a sample at a step; states: a sample before the first step or after one; carry: two
    halves with a row a sample, for what goes from step to step; samples: a sample; vector: all
    share one row; sums: a total, a subtotal and what rounding lost, for each thread; block: a row
    of the samples that a thread has in hand.
    """

    name: str
    kind: str
    width: int

    @property
    def numbers_of_a_thread(self) -> int:
        """That each thread has for itself; 0 where all threads have the same."""
        return PARTS_OF_A_SUM * self.width if self.kind == "sums" else 0


class Place(NamedTuple):
    """Where in a buffer a value lies. `index` says which row: "step", "before" and "after" (a
    state), "carried" and "carrying" (the two halves of a carry), "sample", "vector" or "block".
    """

    buffer: str
    offset: int
    index: str


_ARITHMETIC = ("add", "subtract", "multiply", "negate", "where", "maximum", "minimum")
_CHEAP = {"copy": 0} | {name: 1 for name in (*_ARITHMETIC, *TRUTHS)}
_CHEAP_ENOUGH = 3
_INDEX = {
    "steps": "step",
    "states": "before",
    "carry": "carried",
    "samples": "sample",
    "vector": "vector",
}


@dataclass
class Pass:
    """One direction through time.

    `stores`: values and where they go, at their level; `totals`: sums over features and the level
    that adds them up; `sums`: values that are added up over samples and steps (into "sums") or
    over steps (into "samples"); `operands`: where each product finds its row.
    """

    program: Program
    name: str
    buffers: dict[str, Buffer]
    hoisted: dict[Node, str]
    outer: "Pass | None" = None
    memory: dict[Node, Place] = field(default_factory=dict)
    stores: dict[Node, list[Place]] = field(default_factory=dict)
    sums: list[tuple[Node, Place]] = field(default_factory=list)
    totals: dict[Node, Level] = field(default_factory=dict)
    operands: dict[Node, Place] = field(default_factory=dict)
    uses: dict[Node, set[Level]] = field(default_factory=dict)
    _levels: dict[Node, Level] = field(default_factory=dict)
    _pending: list[Node] = field(default_factory=list)
    _seen: set[tuple[Node, Level]] = field(default_factory=set)

    # ---- where values lie before a step

    def place_of(self, node: Node) -> Place | None:
        """Where a value can be loaded from before the step begins."""
        if node in self.memory:
            return self.memory[node]
        if node.operation == "vector":
            return Place(f"vector {node.label[0]}", node.label[1], "vector")
        if node.operation == "input":
            name, offset = node.label
            return Place(name, offset, _INDEX[self.buffers[name].kind])
        if node.operation == "part" and node.arguments[0] in self.hoisted:
            return Place(self.hoisted[node.arguments[0]], node.label, "step")
        return None

    def is_leaf(self, node: Node) -> bool:
        return node.operation in ("constant", "zero") or self.place_of(node) is not None

    def belongs(self, node: Node) -> bool:
        """Whether this pass computes the value; a backward pass only what gradients flow into."""
        return self.outer is None or node.from_gradient

    def level(self, node: Node) -> Level:
        for each in self.program.nodes[len(self._levels) :]:
            self._levels[each] = self._find_level(each)
        return self._levels[node]

    def _find_level(self, node: Node) -> Level:
        if self.is_leaf(node) or not self.belongs(node):
            return (0, 0)
        found = max(self._levels[argument] for argument in node.arguments)
        if node.operation == "product":
            return (found[0] + 1, 0)
        return (found[0], found[1] + 1) if node.operation == "sum" else found

    # ---- what is stored

    def buffer(self, name: str, kind: str, width: int) -> str:
        self.buffers[name] = Buffer(name, kind, width)
        return name

    def store(self, node: Node, place: Place) -> None:
        if node not in self.stores:
            self._pending.append(node)
        self.stores.setdefault(node, []).append(place)

    def store_row(self, row: Row, buffer: str, index: str) -> None:
        for node, offset in zip(row.pieces, offsets_of(row.pieces), strict=True):
            self.store(node, Place(buffer, offset, index))

    def place_row(self, pieces: Sequence[Node], name: str) -> Place:
        """Where these values lie side by side for every step; stored so if they do not yet."""
        first = pieces[0]
        known = self.place_of(first)
        for place in ([known] if known else []) + self.stores.get(first, []):
            if self.buffers[place.buffer].kind in ("steps", "states") and all(
                self._lies_at(node, place._replace(offset=place.offset + offset))
                for node, offset in zip(pieces, offsets_of(pieces), strict=True)
            ):
                return place
        while name in self.buffers:  # of another row, which begins with the same piece
            name += "'"
        self.buffer(name, "steps", sum(node.width for node in pieces))
        self.store_row(Row(pieces), name, "step")
        return Place(name, 0, "step")

    def _lies_at(self, node: Node, place: Place) -> bool:
        return self.place_of(node) == place or place in self.stores.get(node, [])

    def place_operands(self, roots: Iterable[Node]) -> None:
        """Give every product that these values need a row to read."""
        waiting, seen = list(roots), set[Node]()
        while waiting:
            node = waiting.pop()
            if node in seen or self.is_leaf(node) or not self.belongs(node):
                continue
            seen.add(node)
            if node.operation == "product":
                self.operands[node] = self.place_row(node.arguments, f"{self.name}O{node.number}")
            waiting += node.arguments

    # ---- what is loaded and what is computed again

    def solve(self) -> None:
        """Work out what else must be stored, so that every value can be had where it is used."""
        for node, _ in self.sums:
            self._demand(node, self.level(node))
        done = set[Node]()
        while self._pending:
            self._pending.sort(key=self.level)
            node = self._pending.pop()
            if node not in done:
                done.add(node)
                level = self.level(node)
                self._seen.discard((node, level))
                self._demand(node, level, computed=True)

    def _demand(self, node: Node, level: Level, *, computed: bool = False) -> None:
        """See to it that `node` can be had at `level`; `computed`: it is this level's own work."""
        if self.is_leaf(node):
            self.uses.setdefault(node, set()).add(level)
            return
        if (node, level) in self._seen:
            return
        self._seen.add((node, level))
        if not self.belongs(node):
            self._demand_from_forward(node, level)
            return
        own = self.level(node)
        if own < level and node in self.stores and not computed:
            return
        if node.operation == "part":
            if own[0] != level[0]:
                self._keep(node)
        elif node.operation == "sum":
            self._demand_total(node, level)
        elif own == level or self._is_cheap(node, level):
            for argument in node.arguments:
                self._demand(argument, level)
        else:
            self._keep(node)

    def _demand_total(self, node: Node, level: Level) -> None:
        segment, phase = self.level(node)
        if segment != level[0]:
            self._keep(node)
        if node not in self.totals:
            self.totals[node] = (segment, phase - 1)
            for argument in node.arguments:
                self._demand(argument, (segment, phase - 1))

    def _demand_from_forward(self, node: Node, level: Level) -> None:
        """A value of the forward pass: computed again if that is cheap, else saved by it."""
        assert self.outer is not None
        effort, missing = self._frontier(node)
        truth = node.operation == "map" and node.label in TRUTHS
        cheap = node.label in _CHEAP and effort <= _CHEAP_ENOUGH and len(missing) <= 1
        if truth or (node.operation == "map" and node.width > 1 and cheap):
            for argument in node.arguments:
                self._demand(argument, level)
            return
        if node not in self.outer.stores:
            name = self.outer.buffer(f"V{node.number}", "steps", node.width)
            self.outer.store(node, Place(name, 0, "step"))
        self.memory[node] = self.outer.stores[node][0]
        self.uses.setdefault(node, set()).add(level)

    def _frontier(self, node: Node) -> tuple[int, set[Node]]:
        """How many cheap operations give a forward value back, and what must be saved for it."""
        assert self.outer is not None
        if self.is_leaf(node) or node in self.outer.stores or node.width == 1:
            return 0, set()
        if node.operation == "map" and node.label in _CHEAP:
            parts = [self._frontier(argument) for argument in node.arguments]
            missing = set[Node]().union(*(part[1] for part in parts))
            return _CHEAP[node.label] + sum(part[0] for part in parts), missing
        return 0, {node}

    def _is_cheap(self, node: Node, level: Level) -> bool:
        if node.label in TRUTHS:
            return True
        if node.width == 1:
            return self.level(node)[0] == level[0]
        return self._effort(node, level) <= _CHEAP_ENOUGH

    def _effort(self, node: Node, level: Level) -> int:
        if self.is_leaf(node) or node in self.stores or node.width == 1:
            return 0
        if node.operation == "part":
            return 0 if self.level(node)[0] == level[0] else 100
        return _CHEAP.get(node.label, 100) + sum(self._effort(a, level) for a in node.arguments)

    def _keep(self, node: Node) -> None:
        """Store a value of an earlier level for a later one of the same step."""
        if node not in self.stores:
            name = self.buffer(f"{self.name}T{node.number}", "block", node.width)
            self.store(node, Place(name, 0, "block"))


def offsets_of(pieces: Sequence[Node]) -> list[int]:
    """Where each of these begins, side by side."""
    return [0, *accumulate(piece.width for piece in pieces)][:-1]
