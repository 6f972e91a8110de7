"""A compiled recurrence: its machine code, its memory, and the large products around the loop.

Each pass is one plan for the team of threads: weights are packed, then come the products before the
loop, the loop itself, and the products after it.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from ostinato.engine.cpu.division import Division, worth_a_thread
from ostinato.engine.cpu.large_products import Product, product_stage, scratch_numbers
from ostinato.engine.cpu.layout import Extent, Layout
from ostinato.engine.cpu.loop_code import LoopCode, Room, Shapes, Walk, lies_of
from ostinato.engine.cpu.panels import Lies, Operand
from ostinato.engine.cpu.plan import At, Stage
from ostinato.engine.cpu.target import Target
from ostinato.engine.cpu.work import Memory, Prepared, Work
from ostinato.engine.passes import Place
from ostinato.engine.reuse import reuse_memory
from ostinato.engine.stages import OuterProduct, Stages, cut_into_stages
from ostinato.engine.trace import TracedStep


class Gradients(NamedTuple):
    """What a backward pass gives: None where nothing flows.

    `inputs` are rows of the layout, and partial where they were not wanted; `states` and `initials`
    (samples, width) in its order.
    """

    inputs: Tensor | None
    states: list[Tensor]
    initials: list[Tensor]
    parameters: dict[str, Tensor]


class CompiledRecurrence:
    """A traced step, compiled for the whole loop over time.

    Args:
        traced: the step.
        target: the processor and the kind of number.
        backward: also compile the backward pass; without it nothing is saved for a gradient.
        operand: "bfloat16" rounds the factors of all products, which are added up in float; states,
            gates and gradients stay what they are.
    """

    def __init__(
        self, traced: TracedStep, target: Target, *, backward: bool, operand: Operand = "same"
    ) -> None:
        self.traced = traced
        self.target = target
        self.operand: Operand = operand
        stages = cut_into_stages(traced, backward=backward)
        self.stages: Stages = reuse_memory(stages) if backward else stages
        self.forward_loop = LoopCode.of(self.stages.forward, target, operand, backward=False)
        self.backward_loop = None
        if self.stages.backward is not None:
            self.backward_loop = LoopCode.of(self.stages.backward, target, operand, backward=True)
        self._shapes: Shapes = {}
        self._forward_plan = lru_cache(maxsize=64)(self._plan_forward)
        self._backward_plan = lru_cache(maxsize=64)(self._plan_backward)

    @property
    def dtype(self) -> torch.dtype:
        """The kind of number."""
        return torch.float32 if self.target.scalar == "float" else torch.float64

    def division(self, samples: int, rows: int, threads: int) -> Division:
        """How so many threads divide the loop."""
        return self.forward_loop.division(samples, rows, threads)

    def worth_a_thread(self, rows: int) -> bool:
        """Whether the loop over so many rows gains from a thread that runs it beside another."""
        return worth_a_thread(rows, self.forward_loop.emitted.multiplications)

    # ---- forward

    def forward(
        self,
        layout: Layout,
        inputs: Tensor,
        states: Sequence[Tensor],
        parameters: Mapping[str, Tensor],
        given: Mapping[str, Tensor],
    ) -> Work:
        """The loop over these, to be carried out.

        Args:
            layout: where rows lie.
            inputs: (rows, width).
            states: the state before the first step, each (samples, width), in the layout's order.
            parameters: by name, contiguous.
            given: the other buffers of the traced form: R, I0, ..., M, K0, ...

        Returns:
            The work; from its memory `output` reads, once it is done.
        """
        memory: Memory = {"X": inputs, **given}
        for name, tensor in parameters.items():
            memory[f"vector {name}"] = tensor
        for number, state in enumerate(states):
            rows = inputs.new_empty(layout.samples + layout.rows, state.shape[1])
            rows[layout.initial_row : layout.initial_row + layout.samples] = state
            memory[f"S{number}"] = rows
        self._know(parameters)
        return Work(self._forward_plan(layout.extent), layout, memory)

    def _plan_forward(self, extent: Extent) -> Prepared:
        room = Room()
        stages, panels = self.forward_loop.packing(self._shapes, room, extent.division.threads)
        for name, matrix in self.stages.hoisted.items():
            size, columns = matrix.shape
            product = Product(
                Lies(At("X"), size, "rows"),
                lies_of(matrix, self._shapes, self.target),
                Lies(At(name), columns, "rows"),
                *(extent.rows, size, columns),
                add=False,
            )
            stages.append(self._product(product, extent, room))
        walk = Walk(extent.division, extent.first, extent.time)
        stages.append(self.forward_loop.running(walk, panels, room))
        return self._prepared(stages, extent, room)

    def output(self, layout: Layout, memory: Memory) -> Tensor:
        """The output of every step, (rows, width)."""
        place = self.stages.output
        tensor = memory[place.buffer]
        return layout.after(tensor) if place.index == "after" else tensor

    # ---- backward

    def backward(
        self,
        layout: Layout,
        memory: Memory,
        output_gradient: Tensor,
        state_gradients: Sequence[Tensor | None],
        given: Mapping[str, Tensor],
        *,
        into_inputs: bool,
    ) -> Work:
        """The loop back through time, to be carried out. It uses the memory up.

        Args:
            layout: of the forward pass.
            memory: of the forward pass, after it.
            output_gradient: (rows, width).
            state_gradients: of the final state, each (samples, width), in the layout's order; None
                where nothing comes in.
            given: G0, ...: (rows, width), what comes in for the states after each step.
            into_inputs: whether the input's gradient is wanted: it takes products after the loop.
        """
        memory |= {"GO": output_gradient, **given}
        for number, gradient in enumerate(state_gradients):
            memory[f"D{number}"] = self._carry(gradient, layout.samples, number)
        if layout.extent.before is None:
            for name in self._read_before():
                memory[f"before {name}"] = layout.before(memory[name])
        self._new_gradients(layout, memory, into_inputs)
        return Work(self._backward_plan(layout.extent, into_inputs), layout, memory)

    def gradients(self, memory: Memory) -> Gradients:
        """What the loop back through time found."""
        count = len(self.traced.state_widths)
        return Gradients(
            memory.get(self._input_gradient),
            [memory[f"D{number}"][1] for number in range(count)],
            [
                # What nothing flows into has no place in the loop.
                memory[f"DI{number}"]
                if f"DI{number}" in memory
                else torch.zeros_like(memory[f"D{number}"][0])
                for number in range(count if self.traced.form.learned else 0)
            ],
            self._parameter_gradients(memory),
        )

    def _carry(self, gradient: Tensor | None, samples: int, number: int) -> Tensor:
        """Both halves hold what comes in: samples of different lengths begin in either."""
        width = self.traced.state_widths[number]
        if gradient is None:
            return torch.zeros(2, samples, width, dtype=self.dtype, device="cpu")
        return gradient.expand(2, samples, width).contiguous()

    def watched(self, layout: Layout, memory: Memory) -> list[Tensor]:
        """The watched gradients that the backward loop left, each (rows, width)."""
        found = []
        for place, row in zip(self.stages.watched, self.traced.watched, strict=True):
            rows = memory[place.buffer]
            if place.index != "step":
                rows = layout.before(rows) if place.index == "before" else layout.after(rows)
            found.append(rows[:, place.offset : place.offset + row.width])
        return found

    @property
    def _input_gradient(self) -> str:
        """The part of memory that holds it."""
        return self.stages.input_gradient or "input gradient"

    def _new_gradients(self, layout: Layout, memory: Memory, into_inputs: bool) -> None:
        """Where the products after the loop go."""
        like = memory["X"]
        if into_inputs and self.stages.input_gradient is None and self.stages.input_products:
            memory["input gradient"] = torch.empty_like(like)
        for name, terms in self._terms().items():
            shape = self._shapes[name]
            whole = layout.rows and _covers(terms, shape)
            make = like.new_empty if whole else like.new_zeros
            memory[f"gradient {name}"] = make(shape)

    def _plan_backward(self, extent: Extent, into_inputs: bool) -> Prepared:
        assert self.backward_loop is not None
        room = Room()
        stages, panels = self.backward_loop.packing(self._shapes, room, extent.division.threads)
        walk = Walk(extent.division, extent.first, extent.time)
        stages.append(self.backward_loop.running(walk, panels, room))
        products = self._weight_products(extent)
        if into_inputs:
            products = [*self._input_products(extent), *products]
        stages += [self._product(product, extent, room) for product in products]
        return self._prepared(stages, extent, room)

    def _input_products(self, extent: Extent) -> list[Product]:
        found = []
        out = Lies(At(self._input_gradient), self.traced.input_width, "rows")
        for operand, matrix in self.stages.input_products:
            left = self._rows(extent, operand)
            right = lies_of(matrix, self._shapes, self.target)
            add = bool(found) or self.stages.input_gradient is not None
            found.append(Product(left, right, out, extent.rows, *matrix.shape, add))
        return found

    def _weight_products(self, extent: Extent) -> list[Product]:
        found = []
        for name, terms in self._terms().items():
            *_, rows, columns = self._shapes[name]
            add = not _covers(terms, self._shapes[name])
            for term in terms:
                left, right = self._rows(extent, term.left), self._rows(extent, term.right)
                widths = term.left_width, term.right_width
                if term.transposed:
                    left, right, widths = right, left, widths[::-1]
                place = ((term.index or 0) * rows + term.row) * columns + term.column
                out = At(f"gradient {name}", place * self.target.scalar_bytes)
                found.append(
                    Product(
                        left._replace(along="columns"),
                        right,
                        Lies(out, columns, "rows"),
                        *(widths[0], extent.rows, widths[1]),
                        add=add,
                    )
                )
        return found

    def _terms(self) -> dict[str, list[OuterProduct]]:
        """The terms of each matrix's gradient."""
        terms: dict[str, list[OuterProduct]] = {}
        for term in self.stages.outer_products:
            terms.setdefault(term.parameter, []).append(term)
        return terms

    def _read_before(self) -> set[str]:
        """The states that products after the loop read as they were before each step."""
        places = [place for term in self.stages.outer_products for place in (term.left, term.right)]
        places += [product.operand for product in self.stages.input_products]
        return {place.buffer for place in places if place.index == "before"}

    def _parameter_gradients(self, memory: Memory) -> dict[str, Tensor]:
        found = {name: memory[f"gradient {name}"] for name in self._terms()}
        taken = set[str]()
        for name, buffer in self.stages.gradient_sums.items():
            if buffer not in memory:
                continue
            sums = memory[buffer][:, 0]
            if sums.shape[0] > 1 or buffer in taken:
                found[name] = sums.sum(0)
            else:
                taken.add(buffer)
                found[name] = sums[0]
        return found

    def _rows(self, extent: Extent, place: Place) -> Lies:
        """Where what a product after the loop reads lies, for every step."""
        buffer = self.stages.buffers[place.buffer]
        name, first = place.buffer, 0
        if place.index == "before":
            name, first = (f"before {name}", 0) if extent.before is None else (name, extent.before)
        elif place.index == "after":
            first = extent.after
        number = first * buffer.width + place.offset
        return Lies(At(name, number * self.target.scalar_bytes), buffer.width, "rows")

    # ---- plans and memory

    def _know(self, parameters: Mapping[str, Tensor]) -> None:
        if not self._shapes:
            self._shapes = {name: tuple(tensor.shape) for name, tensor in parameters.items()}

    def _product(self, product: Product, extent: Extent, room: Room) -> Stage:
        threads = extent.threads
        numbers = scratch_numbers(product, self.target, self.operand, threads)
        scratch = room.take(numbers * self.target.scalar_bytes)
        return product_stage(product, self.target, self.operand, threads, scratch)

    def _prepared(self, stages: Sequence[Stage], extent: Extent, room: Room) -> Prepared:
        threads = max(extent.division.threads, *(len(stage.jobs) for stage in stages))
        words = (word for stage in stages for job in stage.jobs for word in job.fields)
        names = dict.fromkeys(word.part for word in words if isinstance(word, At))
        buffers = [self.stages.buffers[name] for name in names if name in self.stages.buffers]
        return Prepared(stages, threads, room.bytes, tuple(buffers))


def _covers(terms: Sequence[OuterProduct], shape: Sequence[int]) -> bool:
    """Whether the terms fill a parameter, each number of it once."""
    sizes = sum(term.left_width * term.right_width for term in terms)
    places = {(term.index, term.row, term.column) for term in terms}
    return len(places) == len(terms) and sizes == prod(shape)
