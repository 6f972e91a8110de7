"""The compiled loop of one call, between tensors as people hold them and rows as the loop does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ostinato.engine.cache import recurrence_of
from ostinato.engine.kinds import Kind, without_numbers
from ostinato.engine.reading import Noise, Reading, active_steps
from ostinato.engine.watch import Watch
from ostinato.state import rebuild, tensors


class Marks(NamedTuple):
    """What a call is told besides its differentiable tensors.

    `lengths`, `resets` and `hidden` (the mask of recurrent dropout) as in `Reading` and `Noise`;
    `keep`: the parts of zoneout, each (batch, time, size), or (size,) where the form says "always".
    """

    lengths: Tensor | None
    resets: Tensor | None
    hidden: Tensor | None
    keep: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Loop:
    """The loop of one call, without its differentiable tensors.

    Those come as one flat list, here called `given`: inputs (batch, time, feature), the states,
    what resets return to (where the form has them), the parameters.

    Args:
        kind: what is computed at each step.
        marks, reverse: how the batch is read, and its masks.
        layout: of these samples, steps and lengths.
        backward: save what a backward pass needs.
        watch: where the gradients of single steps go, if they are asked for.
    """

    kind: Kind
    marks: Marks
    reverse: bool
    layout: Any
    backward: bool
    watch: Watch | None = None

    @property
    def recurrence(self) -> Any:
        return recurrence_of(self.kind, backward=self.backward)

    @property
    def count(self) -> int:
        """How many parts a state has."""
        return len(self.kind.stages.traced.state_widths)

    @property
    def given_count(self) -> int:
        """How many tensors are given."""
        form = self.kind.form
        return 1 + self.count * (2 if form.resets else 1) + len(self.kind.shapes)

    @property
    def worth_a_thread(self) -> bool:
        """Whether there is enough to do for a thread beside another."""
        return self.recurrence.worth_a_thread(self.layout.rows)

    def split(
        self, given: Sequence[Any]
    ) -> tuple[Any, Sequence[Any], Sequence[Any], Sequence[Any]]:
        """Inputs, states, what resets return to, parameters."""
        return split_given(self.kind, given)

    # ---- forward

    def run(self, given: Sequence[Tensor]) -> dict[str, Tensor]:
        """The memory of the loop, after it. To be called where no gradient is recorded."""
        from ostinato.engine.cpu.work import carry_out

        work = self.work(given)
        carry_out(work)
        return work.memory

    def work(self, given: Sequence[Tensor]) -> Any:
        """The loop, to be carried out."""
        layout = self.layout
        inputs, states, initials, _ = self.split(given)
        return self.recurrence.forward(
            layout,
            layout.gather(inputs),
            [layout.arrange(part) for part in states],
            self.parameters(given),
            self.buffers_of_marks(inputs.dtype, initials),
        )

    def results(self, memory: dict[str, Tensor]) -> list[Tensor]:
        """Outputs, the final states and, if asked for, the states of all steps.

        Past a sample's length all are zero. Without lengths they lie in the loop's memory, with the
        versions of that, and yet autograd takes none for a view: they may be changed in place, and
        `seen` tells of it. No two share memory.
        """
        layout, all_states = self.layout, self.kind.form.all_states
        output = layout.scatter(self.recurrence.output(layout, memory))
        states = [memory[f"S{number}"] for number in range(self.count)]
        final = [layout.final(part) for part in states]
        if not all_states:
            return [output.detach(), *final]
        if layout.order is None and self.kind.stages.traced.output_is_state is not None:
            output = output.clone()
        every = [layout.scatter(layout.after(part)).detach() for part in states]
        return [output.detach(), *final, *every]

    def seen(self, memory: dict[str, Tensor]) -> list[int]:
        """How often those parts of the memory were changed that a result may lie in."""
        every = self.count if self.kind.form.all_states else 0
        output = memory[self.recurrence.stages.output.buffer]
        return [output._version, *(memory[f"S{number}"]._version for number in range(every))]

    def parameters(self, given: Sequence[Tensor]) -> dict[str, Tensor]:
        own = [tensor.contiguous() for tensor in self.split(given)[3]]
        return dict(zip(self.kind.shapes, own, strict=True))

    def buffers_of_marks(self, dtype: torch.dtype, initials: Sequence[Tensor]) -> dict[str, Tensor]:
        """The buffers of resets and masks."""
        layout, marks, buffers = self.layout, self.marks, {}
        if self.kind.form.resets:
            buffers["R"] = layout.gather_resets(marks.resets).to(dtype)
            for number, part in enumerate(initials):
                buffers[f"I{number}"] = layout.arrange(part.to(dtype))
        if marks.hidden is not None:
            mask = marks.hidden.to(dtype).resolve_neg()
            width = self.kind.stages.traced.state_widths[0]
            buffers["M"] = layout.arrange(mask.expand(layout.samples, width))
        widths = self.kind.stages.traced.state_widths
        for number, (part, width) in enumerate(zip(marks.keep, widths, strict=False)):
            part = part.to(dtype).resolve_neg()
            if self.kind.form.kept == "always":
                buffers[f"K{number}"] = part.expand(width).contiguous()
            else:
                part = part[:, : layout.time].expand(layout.samples, layout.time, width)
                buffers[f"K{number}"] = layout.gather_in_reading_order(part)
        return buffers

    # ---- backward

    def gradients(
        self,
        memory: dict[str, Tensor],
        incoming: Sequence[Tensor | None],
        *,
        into_inputs: bool = True,
    ) -> list[Tensor | None]:
        """The gradients of all that was given, from those of the results. It uses the memory up.

        That of the inputs is a product of its own, and means nothing if it is not wanted.
        """
        from ostinato.engine.cpu.work import carry_out

        carry_out(self.gradient_work(memory, incoming, into_inputs=into_inputs))
        return self.found_gradients(memory)

    def gradient_work(
        self,
        memory: dict[str, Tensor],
        incoming: Sequence[Tensor | None],
        *,
        into_inputs: bool = True,
    ) -> Any:
        """The loop back through time, to be carried out."""
        layout, count = self.layout, self.count
        like = memory["X"]
        widths = self.kind.stages.traced.state_widths

        def rows(gradient: Tensor | None, width: int) -> Tensor:
            if gradient is None:
                return like.new_zeros(layout.rows, width)
            return layout.gather(gradient)

        last, every = incoming[1 : 1 + count], incoming[1 + count :]
        return self.recurrence.backward(
            layout,
            memory,
            rows(incoming[0], self.kind.stages.traced.output.width),
            [None if gradient is None else layout.arrange(gradient) for gradient in last],
            {
                f"G{number}": rows(*each)
                for number, each in enumerate(zip(every, widths, strict=False))
            },
            into_inputs=into_inputs,
        )

    def found_gradients(self, memory: dict[str, Tensor]) -> list[Tensor | None]:
        """The gradients of all that was given, after the loop back through time."""
        layout, found = self.layout, self.recurrence.gradients(memory)
        if self.watch is not None:
            for part, gradient in enumerate(self.recurrence.watched(layout, memory)):
                self.watch.whole(part, layout.scatter(gradient))
        inputs = None if found.inputs is None else layout.scatter(found.inputs)
        states = [layout.restore(gradient) for gradient in found.states]
        initials: list[Tensor | None] = [layout.restore(gradient) for gradient in found.initials]
        if self.kind.form.resets and not initials:
            initials = [None] * self.count
        return [inputs, *states, *initials, *map(found.parameters.get, self.kind.shapes)]


def split_given(
    kind: Kind, given: Sequence[Any]
) -> tuple[Any, Sequence[Any], Sequence[Any], Sequence[Any]]:
    """Inputs, states, what resets return to, parameters."""
    count = len(kind.stages.traced.state_widths)
    second = 1 + count + (count if kind.form.resets else 0)
    return given[0], given[1 : 1 + count], given[1 + count : second], given[second:]


def loop_of(
    kind: Kind,
    inputs: Tensor,
    marks: Marks,
    *,
    reverse: bool,
    backward: bool,
    watch: Watch | None = None,
    threads: int | None = None,
) -> Loop:
    """The loop over inputs (batch, time, feature), on so many threads (None: on all)."""
    from ostinato.engine.cpu.layout import even_layout, uneven_layout
    from ostinato.engine.cpu.team import team_size

    samples, time = inputs.shape[:2]
    recurrence, threads = recurrence_of(kind, backward=backward), threads or team_size()
    lengths = marks.lengths
    if lengths is not None:
        lengths = lengths.to(device="cpu", dtype=torch.int64)
    if lengths is None or bool((lengths == time).all()):
        division = recurrence.division(samples, samples * time, threads)
        layout = even_layout(samples, time, division, threads, reverse=reverse)
    else:
        division = recurrence.division(samples, int(lengths.sum()), threads)
        layout = uneven_layout(lengths, time, division, threads, reverse=reverse)
    return Loop(kind, marks, reverse, layout, backward, watch)


def reference_results(
    kind: Kind, given: Sequence[Tensor], marks: Marks, *, reverse: bool
) -> list[Tensor]:
    """The same by the reference loop, differentiable as often as one likes."""
    from ostinato.engine.unroll import unroll

    inputs, states, initials, parameters = split_given(kind, given)
    cell = without_numbers(kind.cell)
    state = rebuild(cell.state_sizes, states)
    initial = rebuild(cell.state_sizes, initials) if initials else state
    keep = None
    if kind.form.kept:
        parts = [part.expand(*inputs.shape[:2], part.shape[-1]) for part in marks.keep]
        keep = rebuild(cell.state_sizes, parts)
    unrolled = unroll(
        cell,
        inputs,
        state,
        Reading(marks.lengths, marks.resets, initial, reverse),
        Noise(marks.hidden, keep, dict(zip(kind.shapes, parameters, strict=True))),
        engine="reference",
        all_states=kind.form.all_states,
        products="bfloat16" if kind.form.rounded else None,
    )
    every = tensors(unrolled.states) if kind.form.all_states else []
    if marks.lengths is not None:
        active = active_steps(marks.lengths, inputs.shape[1]).unsqueeze(2)
        every = [torch.where(active, part, 0.0) for part in every]
    return [unrolled.outputs, *tensors(unrolled.state), *every]
