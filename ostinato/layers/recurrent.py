"""Any cell over time: stacked, residual, both ways, regularised, reset, streamed."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ostinato.cells import Cell
from ostinato.engine import (
    Choice,
    Noise,
    Products,
    Reading,
    StepGradients,
    Unrolled,
    Way,
    choose,
    single_step,
    unroll,
    unroll_both,
)
from ostinato.errors import ShapeError
from ostinato.layers.checks import check_cells
from ostinato.layers.initialisation import initialise_recurrent
from ostinato.layers.learned_state import LearnedState
from ostinato.layers.noise import LayerNoise, draw_cell_noise, draw_dropout, refuse_random_graph
from ostinato.layers.options import LayerOptions
from ostinato.layers.stepper import Stepper
from ostinato.state import Bidirectional


class AllStates(NamedTuple):
    """Outputs, final state, and the state after every step, its tensors (batch, time, size)."""

    outputs: Tensor
    state: Any
    states: Any


class RecurrentLayer(nn.Module):
    """What `RNN`, `LSTM`, `GRU`, `FeedForward` and `Recurrent` share.

    The state is a tuple over the stacked layers. A layer that reads both ways has
    `Bidirectional(forward, backward)` entries; it reads whole sequences and takes no state.

    Args:
        cells: the cells that read forward, one a layer.
        backward_cells: the cells that read backward, one a layer, of any width; None: none.
        options: what the layer does to every cell.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        backward_cells: Sequence[Cell] | None,
        options: LayerOptions,
    ) -> None:
        super().__init__()
        check_cells(cells, backward_cells, options)
        self.cells = nn.ModuleList(cells)
        self.backward_cells = None if backward_cells is None else nn.ModuleList(backward_cells)
        self.options = options
        self.bidirectional = backward_cells is not None
        self.input_size = cells[0].input_size
        self.output_size = sum(cell.output_size for cell in self._directions()[-1])
        self.learned = None
        if options.learned_initial_state:
            self.learned = nn.ModuleList(LearnedState(cell.state_sizes) for cell in self._all())
        if options.initialisation is not None:
            for cell in self._all():
                initialise_recurrent(cell, options.initialisation)

    def initial_state(self, batch_size: int) -> Any:
        """The state before the first step: zeros, or the learned one."""
        parts = iter(self.learned) if self.learned is not None else None
        states = []
        for pair in self._directions():
            if parts is None:
                entry = [cell.initial_state(batch_size) for cell in pair]
            else:
                entry = [next(parts)(batch_size) for _ in pair]
            states.append(Bidirectional(*entry) if self.bidirectional else entry[0])
        return tuple(states)

    def forward(
        self,
        inputs: Tensor,
        state: Any = None,
        *,
        lengths: Tensor | None = None,
        resets: Tensor | None = None,
        noise: Sequence[LayerNoise] | None = None,
        watch: Any = None,
    ) -> tuple[Tensor, Any]:
        """Read sequences.

        Args:
            inputs: (batch, time, input_size).
            state: the state before the first step, as this layer returned it; None: the initial.
            lengths: integers (batch,), the real steps of each sample; None: all.
            resets: booleans (batch, time), True = start afresh before this step; None: never.
            noise: masks from `draw_noise`; None: drawn anew in training.
            watch: from `step_gradients`, filled by the backward pass; None: nothing is watched.

        Returns:
            outputs (batch, time, output_size), zero past a sample's length, and the state after
            each sample's own last step.

        Raises:
            ShapeError: a shape does not fit; or a state was given and the layer reads both ways.
        """
        self._refuse_state(state)
        outputs, state, _ = self.run(inputs, state, Reading(lengths, resets), noise, watch=watch)
        return outputs, state

    def all_states(
        self,
        inputs: Tensor,
        state: Any = None,
        *,
        lengths: Tensor | None = None,
        resets: Tensor | None = None,
        noise: Sequence[LayerNoise] | None = None,
        watch: Any = None,
    ) -> AllStates:
        """As calling the layer, and also the state after every step, hidden and memory."""
        self._refuse_state(state)
        reading = Reading(lengths, resets)
        return self.run(inputs, state, reading, noise, all_states=True, watch=watch)

    def step_gradients(self) -> Any:
        """For one call, as its `watch`: a tuple over the layers of `StepGradients`.

        Where the layer reads both ways, of `Bidirectional(forward, backward)` ones.

        Example:
            >>> layer = ostinato.LSTM(3, 4)
            >>> watch = layer.step_gradients()
            >>> outputs, _ = layer(torch.randn(2, 5, 3), watch=watch)
            >>> outputs[:, -1].sum().backward()
            >>> watch[0].state.memory.shape
            torch.Size([2, 5, 4])
        """
        pairs = [[StepGradients() for _ in pair] for pair in self._directions()]
        return tuple(Bidirectional(*pair) if self.bidirectional else pair[0] for pair in pairs)

    def step(
        self,
        step_input: Tensor,
        state: Any = None,
        *,
        noise: Sequence[LayerNoise] | None = None,
    ) -> tuple[Tensor, Any]:
        """One time step, for streaming.

        Args:
            step_input: (batch, input_size).
            state: the state before this step; None: the initial.
            noise: masks of this one step, as `noise.window(t, t + 1)`; None: drawn in training.

        Returns:
            The step's output (batch, output_size) and the state after it.
        """
        if self.bidirectional:
            raise ShapeError(_BOTH_WAYS.format("a single step"))
        if step_input.dim() != 2 or step_input.shape[1] != self.input_size:
            raise ShapeError(
                f"step_input must be (batch, feature) with {self.input_size} features, "
                f"got {tuple(step_input.shape)}"
            )
        if state is None:
            state = self.initial_state(step_input.shape[0])
        if noise is None:
            noise = self.draw_noise(step_input, 1)
        values, states = step_input, []
        for depth, cell in enumerate(self._forward_cells()):
            output, after = single_step(
                cell,
                values,
                state[depth],
                noise[depth].forward,
                engine=self.options.engine,
                products=self.options.products,
            )
            states.append(after)
            values = self._onward(depth, values.unsqueeze(1), output.unsqueeze(1), noise).squeeze(1)
        return values, tuple(states)

    def stepper(self, batch_size: int) -> Stepper:
        """This layer prepared for streaming: steps in evaluation mode at the least cost a step."""
        if self.bidirectional:
            raise ShapeError(_BOTH_WAYS.format("single steps"))
        with torch.no_grad():
            initial = self.initial_state(batch_size)
            return Stepper(list(self._forward_cells()), self.options, batch_size, initial)

    def run(
        self,
        inputs: Tensor,
        state: Any,
        reading: Reading,
        noise: Sequence[LayerNoise] | None = None,
        *,
        all_states: bool = False,
        watch: Any = None,
    ) -> AllStates:
        """The layer's one loop over its depth; `reading` brings lengths and resets.

        Unlike `forward` it starts both directions from a given state, as torch's layers do.
        """
        self._check_inputs(inputs)
        initial = self.initial_state(inputs.shape[0])
        state = initial if state is None else state
        if len(state) != len(self.cells):
            raise ShapeError(
                f"the state must be a tuple over the {len(self.cells)} layers, got {len(state)}"
            )
        noise = self.draw_noise(inputs, inputs.shape[1]) if noise is None else noise
        values, finals, everything = inputs, [], []
        for depth in range(len(self.cells)):
            unrolled = self._run_depth(
                depth,
                values,
                (state[depth], initial[depth]),
                reading,
                noise[depth],
                all_states,
                None if watch is None else watch[depth],
            )
            finals.append(unrolled.state)
            everything.append(unrolled.states)
            values = self._onward(depth, values, unrolled.outputs, noise)
        return AllStates(values, tuple(finals), tuple(everything) if all_states else None)

    def draw_noise(self, inputs: Tensor, time: int) -> tuple[LayerNoise, ...]:
        """The masks of one call on inputs (batch, ...) of `time` steps.

        In training they are random; in evaluation there is no dropout, and zoneout is its
        expectation. The same masks give the same outputs, whole or step by step.

        Raises:
            SettingsError: in training, while torch exports to ONNX, which keeps no masks.
        """
        if self.training and torch.onnx.is_in_onnx_export():
            refuse_random_graph(self.options.random_options())
        drawn = []
        for depth, pair in enumerate(self._directions()):
            inside = [
                draw_cell_noise(cell, self.options, inputs.shape[0], time, training=self.training)
                for cell in pair
            ]
            width = sum(cell.output_size for cell in pair)
            between = self.training and depth < len(self.cells) - 1
            dropout = draw_dropout(inputs, self.options, width, time) if between else None
            drawn.append(LayerNoise(inside[0], inside[1] if self.bidirectional else None, dropout))
        return tuple(drawn)

    def engine_choices(self, *, all_states: bool = False) -> tuple[Choice, ...]:
        """The engine each cell runs on in the present mode (training or evaluation), and why.

        One entry a layer; where the layer reads both ways, forward and backward in turn.
        """
        masks = [
            draw_cell_noise(cell, self.options, 1, 1, training=self.training)
            for cell in self._all()
        ]
        return tuple(
            choose(
                cell,
                mask,
                engine=self.options.engine,
                all_states=all_states,
                products=self.options.products,
            )
            for cell, mask in zip(self._all(), masks, strict=True)
        )

    def _run_depth(
        self,
        depth: int,
        inputs: Tensor,
        states: tuple[Any, Any],
        reading: Reading,
        noise: LayerNoise,
        all_states: bool,
        watch: Any,
    ) -> Unrolled:
        pair = self._directions()[depth]
        starts = states[0] if self.bidirectional else (states[0],)
        initials = states[1] if self.bidirectional else (states[1],)
        masks = (noise.forward, noise.backward or Noise())
        watches = watch if self.bidirectional and watch is not None else (watch, None)
        ways = [
            Way(cell, start, Reading(reading.lengths, reading.resets, initial, reverse), mask)
            for cell, start, initial, mask, reverse in zip(
                pair, starts, initials, masks, (False, True), strict=False
            )
        ]
        read = self._read(ways, inputs, all_states, watches)
        if not self.bidirectional:
            return read[0]
        both = [Bidirectional(*parts) for parts in zip(*read, strict=True)]
        return Unrolled(torch.cat(both[0], -1), both[1], both[2])

    def _read(
        self, ways: Sequence[Way], inputs: Tensor, all_states: bool, watches: Sequence[Any]
    ) -> list[Unrolled]:
        options = self.options
        alone = len(ways) == 1 or options.recompute or any(each is not None for each in watches)
        if not alone:
            return unroll_both(
                ways,
                inputs,
                engine=options.engine,
                all_states=all_states,
                products=options.products,
            )
        return [
            unroll(
                way.cell,
                inputs,
                *way[1:],
                engine=options.engine,
                all_states=all_states,
                products=options.products,
                recompute=options.recompute,
                watch=watch,
            )
            for way, watch in zip(ways, watches, strict=False)
        ]

    def _onward(
        self, depth: int, inputs: Tensor, outputs: Tensor, noise: Sequence[LayerNoise]
    ) -> Tensor:
        """What the next layer reads: outputs, plus inputs if residual, times the dropout mask."""
        if self.options.residual and depth > 0:
            outputs = outputs + inputs
        dropout = noise[depth].dropout
        return outputs if dropout is None else outputs * dropout

    def _directions(self) -> list[tuple[Cell, ...]]:
        if self.backward_cells is None:
            return [(cell,) for cell in self._forward_cells()]
        return list(zip(self._forward_cells(), self.backward_cells, strict=True))  # pyright: ignore[reportReturnType]

    def _forward_cells(self) -> Iterator[Cell]:
        return iter(self.cells)  # pyright: ignore[reportReturnType]

    def _all(self) -> Iterator[Cell]:
        return (cell for pair in self._directions() for cell in pair)

    def _check_inputs(self, inputs: Tensor) -> None:
        if inputs.dim() != 3 or inputs.shape[2] != self.input_size:
            raise ShapeError(
                f"inputs must be (batch, time, feature) with {self.input_size} features, "
                f"got {tuple(inputs.shape)}"
            )

    def _refuse_state(self, state: Any) -> None:
        if self.bidirectional and state is not None:
            raise ShapeError(_BOTH_WAYS.format("a carried state"))


class Recurrent(RecurrentLayer):
    """Cells of your own over time.

    Args:
        cells: one a layer; each reads what the one before puts out.
        backward_cells: one a layer, reading backward, of any width; None: one direction only.
        dropout, locked_dropout, residual, zoneout, recurrent_dropout, weight_drop,
            learned_initial_state, initialisation, engine, products, recompute: see
            `LayerOptions`.

    Raises:
        SettingsError: the cells do not fit each other, or an option cannot act on them.

    Example:
        >>> layer = Recurrent([ostinato.LSTMCell(3, 8), ostinato.GRUCell(8, 5)], zoneout=0.1)
        >>> outputs, state = layer(torch.zeros(2, 7, 3))
        >>> outputs.shape
        torch.Size([2, 7, 5])
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        backward_cells: Sequence[Cell] | None = None,
        *,
        dropout: float = 0.0,
        locked_dropout: bool = False,
        residual: bool = False,
        zoneout: Any = 0.0,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        learned_initial_state: bool = False,
        initialisation: Any = None,
        engine: str | None = None,
        products: Products | None = None,
        recompute: bool = False,
    ) -> None:
        options = LayerOptions(
            dropout=dropout,
            locked_dropout=locked_dropout,
            residual=residual,
            zoneout=zoneout,
            recurrent_dropout=recurrent_dropout,
            weight_drop=weight_drop,
            learned_initial_state=learned_initial_state,
            initialisation=initialisation,
            engine=engine,
            products=products,
            recompute=recompute,
        )
        super().__init__(cells, backward_cells, options)


_BOTH_WAYS = (
    "a bidirectional layer cannot take {}: its backward half reads from the sequence's last step, "
    "which is not known before the sequence is whole; give it whole sequences, or use one direction"
)
