"""One step at a time: a cell with its weights packed, its memory laid out, and its state inside."""

from collections.abc import Mapping, Sequence
from itertools import product

import torch
from torch import Tensor

from ostinato.engine.cpu.loop_code import LoopCode, Room, Walk
from ostinato.engine.cpu.panels import Operand
from ostinato.engine.cpu.plan import Bound, Plan
from ostinato.engine.cpu.target import Target
from ostinato.engine.cpu.team import team_size
from ostinato.engine.stages import cut_into_stages
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
        self._code = LoopCode.of(stages.forward, target, operand, backward=False)
        self._turn = 0
        like = next(iter(parameters.values())).detach()
        self.inputs = like.new_zeros(samples, traced.input_width)
        self._states = [like.new_zeros(2, samples, width) for width in traced.state_widths]
        memory = {"X": self.inputs, **given}
        memory |= {f"S{number}": state for number, state in enumerate(self._states)}
        memory |= {f"vector {name}": own.detach().contiguous() for name, own in parameters.items()}
        for name in self._code.emitted.order:
            buffer = stages.buffers.get(name)
            if buffer is not None and buffer.kind != "block" and name not in memory:
                memory[name] = like.new_empty(samples, buffer.width)
        self._memory = memory
        self._steps = self._prepared(samples)
        if stages.output.index == "after":
            state = memory[stages.output.buffer]
            self._outputs = (state[1], state[0])
        else:
            self._outputs = (memory[stages.output.buffer],) * 2

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
        self._steps[turn].run()
        self._turn = 1 - turn
        return self._outputs[turn]

    def _prepared(self, samples: int) -> list[Bound]:
        """Pack the weights, and lay out both steps: that from the first place of the state to the
        second, and back.
        """
        threads, room, memory = team_size(), Room(), self._memory
        shapes = {
            name.removeprefix("vector "): tuple(tensor.shape)
            for name, tensor in memory.items()
            if name.startswith("vector ")
        }
        division = self._code.division(samples, samples, threads)
        packing, panels = self._code.packing(shapes, room, threads)
        first = tuple(samples * group // division.groups for group in range(division.groups + 1))
        tables = torch.empty(2, division.groups, 4, dtype=torch.int64, device="cpu")
        for turn, group in product((0, 1), range(division.groups)):
            start, stop = first[group], first[group + 1]
            places = start + turn * samples, start + (1 - turn) * samples
            tables[turn, group] = torch.tensor([stop - start, start, *places], device="cpu")
        loops = [
            self._code.running(Walk(division, first, 1, turn), panels, room) for turn in (0, 1)
        ]
        memory["tables"], memory["other tables"] = tables
        memory["room"] = torch.empty(room.bytes, dtype=torch.uint8, device="cpu")
        addresses = {name: tensor.data_ptr() for name, tensor in memory.items()}
        if packing:
            Plan(packing, threads).run(addresses)
        plans = [Plan([loop], division.threads) for loop in loops]
        turned = addresses | {"tables": addresses["other tables"]}
        return [plans[0].bound(addresses), plans[1].bound(turned)]
