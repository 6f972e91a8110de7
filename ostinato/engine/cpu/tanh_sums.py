"""Sums of tanh over features, for all pairs of a query and a key, with no pair ever in memory.

    scores_tj = sum_h v_h tanh(k_jh + q_th)

    y = tanh(k_jh + q_th), again                 d = gradient_tj v_h (1 - y²)
    into k_jh: sum_t d          into q_th: sum_j d          into v_h: sum_tj gradient_tj y

Where a mask is False nothing is computed: the score is 0, and no gradient flows. Nor is anything
computed backward where the gradient is 0. Threads share out the rows of the scores, backward the
samples; what is summed in which order depends on neither.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache

import torch
from torch import Tensor

from ostinato.engine.cpu.machine_code import MachineCode, machine_code
from ostinato.engine.cpu.mathematics import definitions
from ostinato.engine.cpu.panels import lanes_below, masked_load, masked_store
from ostinato.engine.cpu.plan import At, Job, Plan, Stage
from ostinato.engine.cpu.target import Target, host_target
from ostinato.engine.cpu.team import team_size
from ostinato.engine.cpu.writer import Index, Writer, declarations

Shape = tuple[int, int, int, int]  # batch, steps, keys, features

_WORK_OF_A_THREAD = 1 << 16  # numbers to take the tanh of that are worth waking a thread for
_SIZES = ("first", "end", "steps", "keys_count", "features")
_FORWARD = ("keys", "queries", "weight", "mask", "scores", *_SIZES)
_INTO = ("into_keys", "into_queries", "into_weight")
_BACKWARD = ("keys", "queries", "weight", "mask", "gradient", *_INTO, *_SIZES)


def tanh_sums(keys: Tensor, queries: Tensor, weight: Tensor, mask: Tensor | None) -> Tensor:
    """The scores (batch, steps, keys). Records no gradient.

    Args:
        keys: (batch, keys, features), contiguous, in float32 or float64, in main memory.
        queries: (batch, steps, features), likewise.
        weight: (features,), likewise.
        mask: booleans (batch, steps, keys), contiguous, True = compute. None: all.
    """
    shape = _shape(keys, queries)
    scores = keys.new_empty(shape[:3])
    memory = {"keys": keys, "queries": queries, "weight": weight, "scores": scores}
    _run("forward", shape, memory, mask)
    return scores


def tanh_sum_gradients(
    keys: Tensor, queries: Tensor, weight: Tensor, mask: Tensor | None, gradient: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of keys, queries and weight, from that of the scores (contiguous).

    The other arguments are those of `tanh_sums`.
    """
    shape = _shape(keys, queries)
    into_weight = keys.new_zeros(keys.shape[0], keys.shape[2])
    into = torch.zeros_like(keys), torch.zeros_like(queries), into_weight
    memory = {"keys": keys, "queries": queries, "weight": weight, "gradient": gradient}
    _run("backward", shape, memory | dict(zip(_INTO, into, strict=True)), mask)
    return into[0], into[1], into_weight.sum(0)


def _shape(keys: Tensor, queries: Tensor) -> Shape:
    return queries.shape[0], queries.shape[1], keys.shape[1], keys.shape[2]


def _run(direction: str, shape: Shape, memory: dict[str, Tensor], mask: Tensor | None) -> None:
    if 0 in shape[:3]:
        return
    if mask is not None:
        memory = memory | {"mask": mask}
    target = _target(memory["keys"].dtype)
    plan = _plan(target, direction, mask is not None, shape, team_size())
    plan.run({part: memory[part].data_ptr() for part in plan.parts})


@cache
def _target(kind: torch.dtype) -> Target:
    return host_target().with_scalar("double" if kind == torch.float64 else "float")


@lru_cache(maxsize=256)
def _plan(target: Target, direction: str, masked: bool, shape: Shape, threads: int) -> Plan:
    batch, steps, keys, features = shape
    rows = batch * steps if direction == "forward" else batch
    worth = batch * steps * keys * features // _WORK_OF_A_THREAD
    parts = max(1, min(threads, rows, worth))
    names = _FORWARD if direction == "forward" else _BACKWARD
    function = code_for(target, direction, masked).address("run")
    jobs = []
    for part in range(parts):
        bounds = rows * part // parts, rows * (part + 1) // parts
        sizes = dict(zip(_SIZES, (*bounds, steps, keys, features), strict=True))
        fields = [sizes[name] if name in sizes else At(name) for name in names]
        if not masked:
            fields[names.index("mask")] = 0
        jobs.append(Job(function, fields))
    return Plan([Stage(jobs)], parts)


@cache
def code_for(target: Target, direction: str, masked: bool) -> MachineCode:
    """The machine code of one direction, its function named "run"."""
    pair = _Pair(target, _FORWARD if direction == "forward" else _BACKWARD, masked)
    write: Callable[[], None] = getattr(pair, direction)
    write()
    body = "\n".join(pair.writer.entry + pair.writer.lines)
    text = (
        f"{declarations(target)}\n{definitions(target, ['tanh'])}\n"
        "define void @run(ptr noalias %fields, i64 %part, i64 %parts, ptr %meeting) {\n"
        f"entry:\n{body}\n  ret void\n}}\n"
    )
    return machine_code(text, target)


class _Pair:
    """Writes the loops over pairs of a query and a key, and over their features."""

    def __init__(self, target: Target, names: tuple[str, ...], masked: bool) -> None:
        self.target, self.masked = target, masked
        self.writer = Writer(target)
        self.fields = {
            name: self._field(index, "i64" if name in _SIZES else "ptr")
            for index, name in enumerate(names)
        }

    def forward(self) -> None:
        writer, fields = self.writer, self.fields
        total = writer.slot(self.target.vector)
        with writer.loop(fields["first"], fields["end"]) as row:
            sample = writer.divide(row, fields["steps"])
            query = self._row("queries", row)
            with writer.loop(0, fields["keys_count"]) as number:
                key, place = self._pair_places(sample, row, number)
                score = writer.at(fields["scores"], place)
                writer.do(f"store {self.target.scalar} 0.0, ptr {score}")
                with self._computed(place):
                    writer.store(writer.splat(0.0), total, 64)
                    for load, _ in self._features():
                        y = self._tanh(load(key), load(query))
                        summed = writer.multiply_add(load(fields["weight"]), y, writer.load(total))
                        writer.store(summed, total)
                    self._store_sum(total, score)

    def backward(self) -> None:
        writer, fields = self.writer, self.fields
        one = writer.splat(1.0)
        with writer.loop(fields["first"], fields["end"]) as sample, self._steps(sample) as row:
            query, into_query = self._row("queries", row), self._row("into_queries", row)
            into_weight = self._row("into_weight", sample)
            with writer.loop(0, fields["keys_count"]) as number:
                key, place = self._pair_places(sample, row, number)
                into_key = self._row("into_keys", self._key_number(sample, number))
                with self._computed(place), self._gradient(place) as gradient:
                    for load, store in self._features():
                        y = self._tanh(load(key), load(query))
                        store(writer.multiply_add(gradient, y, load(into_weight)), into_weight)
                        # 1 - y² in one rounding, where there is such an instruction.
                        negated = writer.binary("fsub", writer.splat(-0.0), y)
                        slope = writer.multiply_add(negated, y, one)
                        back = writer.binary("fmul", gradient, load(fields["weight"]))
                        back = writer.binary("fmul", back, slope)
                        for into in (into_key, into_query):
                            store(writer.binary("fadd", load(into), back), into)

    def _field(self, index: int, kind: str) -> str:
        place = self.writer.at("%fields", index, "i64")
        return self.writer.assign(f"load {kind}, ptr {place}, align 8")

    def _row(self, name: str, number: Index) -> str:
        """The first number of a row of features."""
        offset = self.writer.multiply(number, self.fields["features"])
        return self.writer.at(self.fields[name], offset)

    def _key_number(self, sample: Index, number: Index) -> Index:
        return self.writer.add(self.writer.multiply(sample, self.fields["keys_count"]), number)

    def _pair_places(self, sample: Index, row: Index, number: Index) -> tuple[str, Index]:
        """Where the key begins, and the place of the pair among the scores."""
        first = self.writer.multiply(row, self.fields["keys_count"])
        key = self._row("keys", self._key_number(sample, number))
        return key, self.writer.add(first, number)

    @contextmanager
    def _steps(self, sample: Index) -> Iterator[Index]:
        """Every row of a sample's scores."""
        first = self.writer.multiply(sample, self.fields["steps"])
        with self.writer.loop(first, self.writer.add(first, self.fields["steps"])) as row:
            yield row

    @contextmanager
    def _computed(self, place: Index) -> Iterator[None]:
        """Only where the mask says so."""
        if not self.masked:
            yield
            return
        writer = self.writer
        byte = writer.assign(f"load i8, ptr {writer.at(self.fields['mask'], place, 'i8')}")
        with writer.when(writer.assign(f"icmp ne i8 {byte}, 0")):
            yield

    @contextmanager
    def _gradient(self, place: Index) -> Iterator[str]:
        """The gradient of a score in all lanes, where it is not 0."""
        writer, scalar = self.writer, self.target.scalar
        at = writer.at(self.fields["gradient"], place)
        gradient = writer.assign(f"load {scalar}, ptr {at}")
        with writer.when(writer.assign(f"fcmp une {scalar} {gradient}, 0.0")):
            yield writer.broadcast(gradient)

    def _features(self) -> Iterator[tuple[Callable[[str], str], Callable[[str, str], None]]]:
        """Whole vectors in a loop, then what is left: each time how to load and how to store."""
        writer, lanes, features = self.writer, self.target.lanes, self.fields["features"]
        whole = writer.multiply(writer.divide(features, lanes), lanes)
        with writer.loop(0, whole, lanes) as index:
            yield (
                lambda row: writer.load(writer.at(row, index)),
                lambda value, row: writer.store(value, writer.at(row, index)),
            )
        with writer.when(writer.assign(f"icmp ult i64 {whole}, {features}")):
            mask = lanes_below(writer, writer.subtract(features, whole))
            yield (
                lambda row: masked_load(writer, writer.at(row, whole), mask),
                lambda value, row: masked_store(writer, value, writer.at(row, whole), mask),
            )

    def _tanh(self, a: str, b: str) -> str:
        vector = self.target.vector
        summed = self.writer.binary("fadd", a, b)
        return self.writer.assign(f"call {vector} @v_tanh({vector} {summed})")

    def _store_sum(self, total: str, address: str) -> None:
        writer, scalar = self.writer, self.target.scalar
        summed = writer.assign(
            f"call reassoc {scalar} @llvm.vector.reduce.fadd.{self.target.suffix}({scalar} 0.0, "
            f"{self.target.vector} {writer.load(total)})"
        )
        writer.do(f"store {scalar} {summed}, ptr {address}")
