"""The layers that people know by name: RNN, LSTM, GRU, and the feed-forward counterpart."""

from collections.abc import Callable, Mapping
from typing import Literal

from ostinato.cells import (
    Activation,
    Cell,
    FeedForwardCell,
    GRUCell,
    LSTMCell,
    RNNCell,
    check_size,
)
from ostinato.engine import Products
from ostinato.errors import SettingsError
from ostinato.layers.options import Initialisation, LayerOptions
from ostinato.layers.recurrent import RecurrentLayer


class RNN(RecurrentLayer):
    """A plain recurrent network (Elman 1990), stacked; see `RNNCell` for the equation.

    Args:
        input_size, hidden_size: features of an input step, hidden units.
        num_layers: layers stacked, each reading the outputs of the one before.
        bidirectional: each layer also reads from the last step to the first; outputs are both,
            side by side.
        dropout: share of each layer's outputs dropped before the next layer (two layers or more).
        bias: False leaves the biases out.
        layer_norm: normalise inside the cell (Ba 2016); see `RNNCell`.
        activation: "tanh", "relu", "sigmoid", or any element-wise callable.
        residual, locked_dropout, zoneout, recurrent_dropout, weight_drop, learned_initial_state,
        initialisation, engine, products, recompute: see `LayerOptions`; each works with every
        other.
        backward_hidden_size: width of the backward direction; None: hidden_size.

    Raises:
        SettingsError: an option that could not act is refused, never ignored.

    Example:
        >>> layer = ostinato.RNN(3, 8)
        >>> outputs, state = layer(torch.zeros(2, 5, 3))
        >>> outputs.shape, state[0].hidden.shape
        (torch.Size([2, 5, 8]), torch.Size([2, 8]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        *,
        bias: bool = True,
        layer_norm: bool = False,
        activation: Activation = "tanh",
        residual: bool = False,
        locked_dropout: bool = False,
        zoneout: float | Mapping[str, float] = 0.0,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        learned_initial_state: bool = False,
        initialisation: Initialisation | None = None,
        backward_hidden_size: int | None = None,
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

        def make(inputs: int, hidden: int) -> RNNCell:
            return RNNCell(inputs, hidden, activation=activation, bias=bias, layer_norm=layer_norm)

        widths = _widths(hidden_size, backward_hidden_size, bidirectional)
        super().__init__(*_stack(make, input_size, widths, num_layers), options)


class LSTM(RecurrentLayer):
    """Long short-term memory, stacked; see `LSTMCell` for the equations.

    Args:
        input_size, hidden_size: features of an input step, hidden units.
        num_layers: layers stacked, each reading the outputs of the one before.
        bidirectional: each layer also reads from the last step to the first; outputs are both,
            side by side.
        dropout: share of each layer's outputs dropped before the next layer (two layers or more).
        bias: False leaves the biases out.
        layer_norm: normalise inside the cell (Ba 2016); see `LSTMCell`.
        peepholes: the gates also see the memory (Gers 2002).
        projection_size: H_t is projected to this size (Sak 2014); None: not.
        forget_bias: start value of the forget gate's bias (Jozefowicz 2015); None: drawn.
        residual, locked_dropout, zoneout, recurrent_dropout, weight_drop, learned_initial_state,
        initialisation, engine, products, recompute: see `LayerOptions`; each works with every
        other.
        backward_hidden_size: width of the backward direction; None: hidden_size.

    Raises:
        SettingsError: an option that could not act is refused, never ignored.

    Example:
        >>> layer = ostinato.LSTM(3, 8, num_layers=2, layer_norm=True, zoneout=0.1)
        >>> outputs, state = layer(torch.zeros(2, 5, 3), lengths=torch.tensor([5, 3]))
        >>> outputs.shape, state[1].memory.shape
        (torch.Size([2, 5, 8]), torch.Size([2, 8]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        *,
        bias: bool = True,
        layer_norm: bool = False,
        peepholes: bool = False,
        projection_size: int | None = None,
        forget_bias: float | None = None,
        residual: bool = False,
        locked_dropout: bool = False,
        zoneout: float | Mapping[str, float] = 0.0,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        learned_initial_state: bool = False,
        initialisation: Initialisation | None = None,
        backward_hidden_size: int | None = None,
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

        def make(inputs: int, hidden: int) -> LSTMCell:
            return LSTMCell(
                inputs,
                hidden,
                bias=bias,
                peepholes=peepholes,
                projection_size=projection_size,
                layer_norm=layer_norm,
                forget_bias=forget_bias,
            )

        widths = _widths(hidden_size, backward_hidden_size, bidirectional)
        super().__init__(*_stack(make, input_size, widths, num_layers), options)


class GRU(RecurrentLayer):
    """A gated recurrent unit, stacked; see `GRUCell` for the equations.

    Args:
        input_size, hidden_size: features of an input step, hidden units.
        num_layers: layers stacked, each reading the outputs of the one before.
        bidirectional: each layer also reads from the last step to the first; outputs are both,
            side by side.
        dropout: share of each layer's outputs dropped before the next layer (two layers or more).
        bias: False leaves the biases out.
        layer_norm: normalise inside the cell (Ba 2016); see `GRUCell`.
        reset: the reset gate acts "after" the recurrent product, as in torch.nn, or "before" it, as
            in Cho 2014.
        residual, locked_dropout, zoneout, recurrent_dropout, weight_drop, learned_initial_state,
        initialisation, engine, products, recompute: see `LayerOptions`; each works with every
        other.
        backward_hidden_size: width of the backward direction; None: hidden_size.

    Raises:
        SettingsError: an option that could not act is refused, never ignored.

    Example:
        >>> layer = ostinato.GRU(3, 8, bidirectional=True)
        >>> outputs, state = layer(torch.zeros(2, 5, 3))
        >>> outputs.shape, state[0].backward.hidden.shape
        (torch.Size([2, 5, 16]), torch.Size([2, 8]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        *,
        bias: bool = True,
        layer_norm: bool = False,
        reset: Literal["after", "before"] = "after",
        residual: bool = False,
        locked_dropout: bool = False,
        zoneout: float | Mapping[str, float] = 0.0,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        learned_initial_state: bool = False,
        initialisation: Initialisation | None = None,
        backward_hidden_size: int | None = None,
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

        def make(inputs: int, hidden: int) -> GRUCell:
            return GRUCell(inputs, hidden, reset=reset, bias=bias, layer_norm=layer_norm)

        widths = _widths(hidden_size, backward_hidden_size, bidirectional)
        super().__init__(*_stack(make, input_size, widths, num_layers), options)


class FeedForward(RecurrentLayer):
    """The recurrent layer's counterpart without the loop; see `FeedForwardCell`.

    It is called as a recurrent layer is, so that the two can be compared in one line. Each step is
    seen alone; resets and the state change nothing, and the state is empty.

    Args:
        input_size, hidden_size: features of an input step, hidden units.
        num_layers: hidden layers stacked.
        dropout: share of each layer's outputs dropped before the next layer (two layers or more).
        activation: "tanh", "relu", "sigmoid", or any element-wise callable.
        bias: False leaves the biases out.
        layer_norm: normalise before the activation (Ba 2016).
        residual, locked_dropout, products, recompute: see `LayerOptions`.

    Example:
        >>> recurrent, counterpart = ostinato.RNN(3, 8), ostinato.FeedForward(3, 8)
        >>> [layer(torch.zeros(2, 5, 3))[0].shape for layer in (recurrent, counterpart)]
        [torch.Size([2, 5, 8]), torch.Size([2, 5, 8])]
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        dropout: float = 0.0,
        *,
        activation: Activation = "tanh",
        bias: bool = True,
        layer_norm: bool = False,
        residual: bool = False,
        locked_dropout: bool = False,
        products: Products | None = None,
        recompute: bool = False,
    ) -> None:
        options = LayerOptions(
            dropout=dropout,
            residual=residual,
            locked_dropout=locked_dropout,
            products=products,
            recompute=recompute,
        )

        def make(inputs: int, hidden: int) -> FeedForwardCell:
            return FeedForwardCell(
                inputs, hidden, activation=activation, bias=bias, layer_norm=layer_norm
            )

        super().__init__(*_stack(make, input_size, (hidden_size,), num_layers), options)


def _widths(hidden_size: int, backward: int | None, bidirectional: bool) -> tuple[int, ...]:
    """The hidden size of each direction."""
    if bidirectional:
        return hidden_size, backward or hidden_size
    if backward is not None:
        raise SettingsError("backward_hidden_size needs bidirectional=True")
    return (hidden_size,)


def _stack(
    make: Callable[[int, int], Cell],
    input_size: int,
    widths: tuple[int, ...],
    num_layers: int,
) -> tuple[list[Cell], list[Cell] | None]:
    """The forward and the backward cells; each layer reads both directions of the one before."""
    check_size("num_layers", num_layers)
    layers: list[list[Cell]] = []
    for _ in range(num_layers):
        layers.append([make(input_size, width) for width in widths])
        input_size = sum(cell.output_size for cell in layers[-1])
    forward = [pair[0] for pair in layers]
    return forward, [pair[1] for pair in layers] if len(widths) > 1 else None
