"""A compiled recurrence: its machine code, its memory, and the large products around the loop."""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from ostinato.engine.cpu.emit import Emitted, emit
from ostinato.engine.cpu.large_products import multiply
from ostinato.engine.cpu.layout import Layout
from ostinato.engine.cpu.machine_code import MachineCode
from ostinato.engine.cpu.panels import Operand, pack
from ostinato.engine.cpu.products import address, rounding_address
from ostinato.engine.cpu.target import Target
from ostinato.engine.cpu.team import run_together
from ostinato.engine.program import Matrix
from ostinato.engine.reuse import reuse_memory
from ostinato.engine.stages import Buffer, OuterProduct, Pass, Place, Stages, cut_into_stages
from ostinato.engine.trace import TracedStep

Memory = dict[str, Tensor]


class Gradients(NamedTuple):
    """What a backward pass gives: None where nothing flows.

    `inputs` are rows of the layout; `states` and `initials` (samples, width) in its order.
    """

    inputs: Tensor | None
    states: list[Tensor]
    initials: list[Tensor]
    parameters: dict[str, Tensor]


@dataclass(frozen=True)
class Loop:
    """One pass as machine code."""

    emitted: Emitted
    code: MachineCode = field(repr=False)
    function: object = field(repr=False)

    @classmethod
    def of(cls, stages: Pass, target: Target, operand: Operand, *, backward: bool) -> "Loop":
        emitted = emit(stages, target, backward=backward, operand=operand)
        code = MachineCode(emitted.text, target)
        integers = [ctypes.c_int64] * 3
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, *integers)
        return cls(emitted, code, kind(code.address("run")))


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
        self.forward_loop = Loop.of(self.stages.forward, target, operand, backward=False)
        self.backward_loop = None
        if self.stages.backward is not None:
            self.backward_loop = Loop.of(self.stages.backward, target, operand, backward=True)

    # ---- forward

    def forward(
        self,
        layout: Layout,
        inputs: Tensor,
        states: Sequence[Tensor],
        parameters: Mapping[str, Tensor],
        given: Mapping[str, Tensor],
    ) -> Memory:
        """Run the loop.

        Args:
            layout: where rows lie.
            inputs: (rows, width).
            states: the state before the first step, each (samples, width), in the layout's order.
            parameters: by name, contiguous.
            given: the other buffers of the traced form: R, I0, ..., M, K0, ...

        Returns:
            The memory of the loop, from which `output` and `states` read.
        """
        memory: Memory = {"X": inputs, **given}
        for name, tensor in parameters.items():
            memory[f"vector {name}"] = tensor
        for name, matrix in self.stages.hoisted.items():
            weight = matrix_of(parameters, matrix)
            memory[name] = multiply(inputs, weight, operand=self.operand)
        for number, state in enumerate(states):
            width = state.shape[1]
            memory[f"S{number}"] = inputs.new_empty(layout.samples + layout.rows, width)
            memory[f"S{number}"][layout.initial_rows] = state
        self._run(self.forward_loop, layout, memory, parameters)
        return memory

    def output(self, layout: Layout, memory: Memory) -> Tensor:
        """The output of every step, (rows, width)."""
        place = self.stages.output
        tensor = memory[place.buffer]
        return tensor[layout.rows_after] if place.index == "after" else tensor

    # ---- backward

    def backward(
        self,
        layout: Layout,
        memory: Memory,
        parameters: Mapping[str, Tensor],
        output_gradient: Tensor,
        state_gradients: Sequence[Tensor],
        given: Mapping[str, Tensor],
    ) -> Gradients:
        """Run the loop back through time. It uses the memory up.

        Args:
            output_gradient: (rows, width).
            state_gradients: of the final state, each (samples, width), in the layout's order.
            given: G0, ...: (rows, width), what comes in for the states after each step.
        """
        assert self.backward_loop is not None
        memory |= {"GO": output_gradient, **given}
        for number, gradient in enumerate(state_gradients):
            carry = gradient.new_empty(2, *gradient.shape)
            carry[:] = gradient
            memory[f"D{number}"] = carry
        self._run(self.backward_loop, layout, memory, parameters)
        count = len(state_gradients)
        return Gradients(
            self._input_gradient(layout, memory, parameters),
            [memory[f"D{number}"][1] for number in range(count)],
            [
                # What nothing flows into has no place in the loop.
                memory[f"DI{number}"] if f"DI{number}" in memory else torch.zeros_like(like)
                for number, like in enumerate(state_gradients if self.traced.form.learned else [])
            ],
            self._parameter_gradients(layout, memory, parameters),
        )

    def _input_gradient(
        self, layout: Layout, memory: Memory, parameters: Mapping[str, Tensor]
    ) -> Tensor | None:
        name = self.stages.input_gradient
        total = None if name is None else memory[name]
        for operand, matrix in self.stages.input_products:
            rows = self._rows(layout, memory, operand, matrix.shape[0])
            weight = matrix_of(parameters, matrix)
            total = multiply(rows, weight, total, add=total is not None, operand=self.operand)
        return total

    def _parameter_gradients(
        self, layout: Layout, memory: Memory, parameters: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        sums = self.stages.gradient_sums.items()
        found = {name: memory[buffer].sum(0) for name, buffer in sums if buffer in memory}
        terms: dict[str, list[OuterProduct]] = {}
        for term in self.stages.outer_products:
            terms.setdefault(term.parameter, []).append(term)
        for name, own in terms.items():
            found[name] = self._matrix_gradient(layout, memory, parameters[name], own)
        return found

    def _matrix_gradient(
        self, layout: Layout, memory: Memory, parameter: Tensor, terms: Sequence[OuterProduct]
    ) -> Tensor:
        total = None
        for term in terms:
            left = self._rows(layout, memory, term.left, term.left_width)
            right = self._rows(layout, memory, term.right, term.right_width)
            pair = (right.t(), left) if term.transposed else (left.t(), right)
            value = multiply(*pair, operand=self.operand)
            if len(terms) == 1 and value.shape == parameter.shape:
                return value
            total = torch.zeros_like(parameter) if total is None else total
            part = total if term.index is None else total[term.index]
            rows, columns = value.shape
            part[term.row : term.row + rows, term.column : term.column + columns] += value
        assert total is not None
        return total

    def _rows(self, layout: Layout, memory: Memory, place: Place, width: int) -> Tensor:
        """What lies at a place for every step, (rows, width)."""
        tensor = memory[place.buffer]
        if place.index == "before":
            tensor = layout.before(tensor)
        elif place.index == "after":
            tensor = tensor[layout.rows_after]
        return tensor[:, place.offset : place.offset + width]

    # ---- memory

    def _run(
        self, loop: Loop, layout: Layout, memory: Memory, parameters: Mapping[str, Tensor]
    ) -> None:
        emitted = loop.emitted
        memory |= memory_of_products(emitted, parameters, layout.threads)
        functions = functions_of(emitted)
        for name in emitted.order:
            if name not in memory and name not in functions:
                memory[name] = self._new(self.stages.buffers[name], layout, emitted.block)
        jobs = []
        for thread in range(layout.threads):
            pointers = [
                functions[name] if name in functions else self._pointer(name, memory, thread)
                for name in emitted.order
            ]
            addresses = (ctypes.c_void_p * len(pointers))(*pointers)
            table = layout.tables[thread].data_ptr()
            jobs.append((addresses, table, layout.time, layout.samples, layout.first[thread]))
        run_together(loop.function, jobs)  # pyright: ignore[reportArgumentType]

    def _new(self, buffer: Buffer, layout: Layout, block: int) -> Tensor:
        kind = torch.float32 if self.target.scalar == "float" else torch.float64
        first = {
            "steps": (layout.rows,),
            "states": (layout.samples + layout.rows,),
            "carry": (2, layout.samples),
            "samples": (layout.samples,),
            "sums": (layout.threads,),
            "block": (layout.threads, block),
        }[buffer.kind]
        make = torch.zeros if buffer.kind in ("sums", "samples") else torch.empty
        return make(*first, buffer.width, dtype=kind, device="cpu")

    def _pointer(self, name: str, memory: Memory, thread: int) -> int:
        tensor = memory[name]
        buffer = self.stages.buffers.get(name)
        if buffer is None and name.startswith("panels"):
            return tensor.data_ptr()
        if buffer is None or buffer.kind in ("sums", "block"):
            return tensor[thread].data_ptr()
        return tensor.data_ptr()


def memory_of_products(emitted: Emitted, parameters: Mapping[str, Tensor], threads: int) -> Memory:
    """Packed weights of the loop's products, and each thread's room for what comes of them."""
    memory: Memory = {}
    for panels in emitted.panels:
        weight, kernel = matrix_of(parameters, panels.product.label), panels.kernel
        memory[panels.name] = pack(weight.detach(), kernel)
        memory[panels.scratch] = weight.new_empty(threads, emitted.block, panels.columns)
        if kernel.rounds_rows:
            width = kernel.rounded_stride(weight.shape[0])
            memory[panels.rounded] = weight.new_empty(
                threads, emitted.block, width, dtype=torch.bfloat16
            )
    return memory


def functions_of(emitted: Emitted) -> dict[str, int]:
    """Where the machine code lies that the loop calls, by name."""
    kernels = {panels.kernel for panels in emitted.panels}
    rounding = {
        f"rounding {kernel.symbol}": rounding_address(kernel)
        for kernel in kernels
        if kernel.rounds_rows
    }
    return {f"kernel {kernel.symbol}": address(kernel) for kernel in kernels} | rounding


def matrix_of(parameters: Mapping[str, Tensor], matrix: Matrix) -> Tensor:
    """A weight as a product uses it, as a view."""
    weight = parameters[matrix.name]
    if matrix.index is not None:
        weight = weight[matrix.index]
    part = weight[slice(*matrix.rows), slice(*matrix.columns)]
    return part.t() if matrix.transposed else part
