"""One pass over time as machine code, and as stages of a plan: weights are packed, then it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ostinato.engine.cpu.division import Division, divide
from ostinato.engine.cpu.emit import FIELDS, Emitted, emit
from ostinato.engine.cpu.machine_code import MachineCode
from ostinato.engine.cpu.panels import Lies, Operand, packing_stage
from ostinato.engine.cpu.plan import At, Job, Stage, Word
from ostinato.engine.cpu.products import address, rounding_address
from ostinato.engine.cpu.target import Target
from ostinato.engine.passes import Buffer, Pass
from ostinato.engine.program import Matrix

Shapes = Mapping[str, Sequence[int]]

_LINE = 64  # bytes of a cache line


class Room:
    """Memory that a plan needs while it runs and nobody afterwards: one piece for all of it."""

    def __init__(self) -> None:
        self.bytes = 0

    def take(self, size: int) -> At:
        """So many bytes of it, from the beginning of a cache line on."""
        place = At("room", self.bytes)
        self.bytes += -(-size // _LINE) * _LINE
        return place


class Walk(NamedTuple):
    """How the threads of a plan go over the steps.

    `division`: samples dealt out or columns shared; `first`: of each group of samples the first,
    and their number at the end; `time`: steps; `turn`: see `FIELDS`.
    """

    division: Division
    first: Sequence[int]
    time: int
    turn: int = 0


@dataclass(frozen=True)
class LoopCode:
    """One pass as machine code."""

    target: Target
    buffers: Mapping[str, Buffer]
    emitted: Emitted
    code: MachineCode = field(repr=False)

    @classmethod
    def of(cls, stages: Pass, target: Target, operand: Operand, *, backward: bool) -> "LoopCode":
        emitted = emit(stages, target, backward=backward, operand=operand)
        return cls(target, stages.buffers, emitted, MachineCode(emitted.text, target))

    def division(self, samples: int, rows: int, threads: int) -> Division:
        """How so many threads divide the loop; `rows`: samples times steps, as far as real."""
        emitted = self.emitted
        return divide(samples, rows, emitted.multiplications, emitted.most_tiles, threads)

    def packing(self, shapes: Shapes, room: Room, jobs: int) -> tuple[list[Stage], dict[str, At]]:
        """Stages that pack the weights of the loop's products, and where the panels lie then.

        Weights are looked for in the part of memory "vector NAME"; `shapes` are the parameters'.
        """
        stages, places = [], dict[str, At]()
        for panels in self.emitted.panels:
            size, columns = panels.product.label.shape
            numbers = panels.columns * panels.kernel.panel_rows(size)
            places[panels.name] = room.take(numbers * self.target.scalar_bytes)
            weight = lies_of(panels.product.label, shapes, self.target)
            to = places[panels.name]
            stages.append(packing_stage(panels.kernel, weight, to, size, columns, jobs))
        return stages, places

    def running(self, walk: Walk, panels: Mapping[str, At], room: Room) -> Stage:
        """The stage that runs the loop. Tables lie in the part of memory "tables"."""
        groups = walk.division.groups
        own = {name: (place, 0) for name, place in panels.items()}
        for each in self.emitted.panels:
            size = self.emitted.block * each.columns * self.target.scalar_bytes
            own[each.scratch] = self._own(room, size, groups)
            if each.kernel.rounds_rows:
                rounded = 2 * self.emitted.block * each.rounded_stride
                parts = walk.division.parts
                own[each.rounded] = self._own(room, rounded * parts, groups)
        for name in self.emitted.order:
            buffer = self.buffers.get(name)
            if buffer is not None and buffer.kind == "block":
                size = self.emitted.block * buffer.width * self.target.scalar_bytes
                own[name] = self._own(room, size, groups)
        functions = self._functions()
        run = self.code.address("run")
        jobs = [Job(run, self._fields(walk, group, own, functions)) for group in range(groups)]
        return Stage(jobs, together=walk.division.parts > 1)

    def _fields(
        self,
        walk: Walk,
        group: int,
        own: Mapping[str, tuple[At, int]],
        functions: Mapping[str, int],
    ) -> list[Word]:
        samples = walk.first[-1]
        fields: dict[str, Word] = {
            "steps": At("tables", group * walk.time * 32),
            "time": walk.time,
            "samples": samples,
            "first": walk.first[group],
            "turn": walk.turn,
        }
        words = [fields[name] for name in FIELDS]
        for name in self.emitted.order:
            if name in functions:
                words.append(functions[name])
            elif name in own:
                place, step = own[name]
                words.append(place + group * step)
            else:
                words.append(At(name, group * self._bytes_of_a_thread(name)))
        return words

    def _bytes_of_a_thread(self, name: str) -> int:
        """From one thread's sums to the next one's."""
        buffer = self.buffers.get(name)
        return 0 if buffer is None else buffer.numbers_of_a_thread * self.target.scalar_bytes

    @staticmethod
    def _own(room: Room, size: int, groups: int) -> tuple[At, int]:
        """Room for each group of samples, and the distance from one to the next."""
        size = -(-size // _LINE) * _LINE
        return room.take(size * groups), size

    def _functions(self) -> dict[str, int]:
        """Where the machine code lies that the loop calls, by name."""
        kernels = {panels.kernel for panels in self.emitted.panels}
        rounding = {
            f"rounding {kernel.symbol}": rounding_address(kernel)
            for kernel in kernels
            if kernel.rounds_rows
        }
        return {f"kernel {kernel.symbol}": address(kernel) for kernel in kernels} | rounding


def lies_of(matrix: Matrix, shapes: Shapes, target: Target) -> Lies:
    """Where a weight lies, as a product uses it: in a contiguous parameter."""
    *_, rows, columns = shapes[matrix.name]
    skipped = 0 if matrix.index is None else matrix.index * rows
    first = (skipped + matrix.rows[0]) * columns + matrix.columns[0]
    at = At(f"vector {matrix.name}", first * target.scalar_bytes)
    return Lies(at, columns, "columns" if matrix.transposed else "rows")
