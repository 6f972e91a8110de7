"""One step at a time: a cell with its weights packed, its memory laid out, and its state inside."""

import ctypes
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ostinato.engine.cpu.emit import emit
from ostinato.engine.cpu.machine_code import MachineCode
from ostinato.engine.cpu.panels import Operand
from ostinato.engine.cpu.recurrence import functions_of, memory_of_products
from ostinato.engine.cpu.target import Target
from ostinato.engine.stages import Buffer, cut_into_stages
from ostinato.engine.trace import TracedStep


class CompiledStepper:
    """A traced step, prepared to be run again and again for the same samples.

    The loop's own code runs for one step. A state has two places, and every step writes the one
    that it does not read; nothing is allocated and nothing is copied.

    Args:
        traced: the step, without resets.
        target: the processor and the kind of number.
        parameters: by name, as they are now: the weights are packed once.
        given: the buffers of masks that the traced form has.
        samples: how many sessions step together.
        operand: "bfloat16" keeps the weights in half the memory, which is what one step waits for.

    `inputs` (samples, width) is where a step's input must stand.
    """

    def __init__(
        self,
        traced: TracedStep,
        target: Target,
        parameters: Mapping[str, Tensor],
        given: Mapping[str, Tensor],
        samples: int,
        operand: Operand = "same",
    ) -> None:
        stages = cut_into_stages(traced, backward=False, hoist=False)
        self._emitted = emit(stages.forward, target, backward=False, operand=operand)
        self._code = MachineCode(self._emitted.text, target)
        integers = [ctypes.c_int64] * 3
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, *integers)
        self._function = kind(self._code.address("run"))
        self._samples = samples
        self._turn = 0
        like = next(iter(parameters.values())).detach()
        self.inputs = like.new_zeros(samples, traced.input_width)
        widths = traced.state_widths
        self._states = [like.new_zeros(2, samples, width) for width in widths]
        self._memory = {"X": self.inputs, **given}
        self._memory |= {f"S{number}": state for number, state in enumerate(self._states)}
        self._lay_out(stages.buffers, parameters, like)
        self._calls = [self._call(before) for before in (0, samples)]
        if stages.output.index == "after":
            state = self._memory[stages.output.buffer]
            self._outputs = (state[1], state[0])
        else:
            self._outputs = (self._memory[stages.output.buffer],) * 2

    @property
    def state(self) -> list[Tensor]:
        """The state after the last step, each (samples, width); a view that the next step leaves
        and the one after it overwrites.
        """
        return [state[self._turn] for state in self._states]

    @state.setter
    def state(self, parts: Sequence[Tensor]) -> None:
        for own, part in zip(self.state, parts, strict=True):
            own.copy_(part)

    def step(self) -> Tensor:
        """Run one step on `inputs`; its output (samples, width), overwritten two steps on."""
        turn = self._turn
        self._function(*self._calls[turn])
        self._turn = 1 - turn
        return self._outputs[turn]

    def _lay_out(
        self, buffers: Mapping[str, Buffer], parameters: Mapping[str, Tensor], like: Tensor
    ) -> None:
        for name, tensor in parameters.items():
            self._memory[f"vector {name}"] = tensor.detach().contiguous()
        self._memory |= memory_of_products(self._emitted, parameters, 1)
        self._functions = functions_of(self._emitted)
        for name in self._emitted.order:
            if name in self._memory or name in self._functions:
                continue
            buffer = buffers[name]
            rows = self._emitted.block if buffer.kind == "block" else self._samples
            self._memory[name] = like.new_empty(rows, buffer.width)

    def _call(self, before: int) -> tuple[object, ...]:
        """The arguments of a step that reads its state from row `before` on."""
        pointers = [
            self._functions[name] if name in self._functions else self._memory[name].data_ptr()
            for name in self._emitted.order
        ]
        addresses = (ctypes.c_void_p * len(pointers))(*pointers)
        table = torch.tensor([self._samples, 0, before, self._samples - before], device="cpu")
        self._memory[f"table {before}"] = table
        return (addresses, table.data_ptr(), 1, self._samples, 0)
