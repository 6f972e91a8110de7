"""From settings to a recurrent layer: the same for every task."""

from typing import Any

from ostinato.errors import SettingsError
from ostinato.layers import GRU, LSTM, RNN, FeedForward, Recurrent, RecurrentLayer
from ostinato.tasks.own_cell import build_own_cells, is_own_cell

_LAYERS = {"lstm": LSTM, "gru": GRU, "rnn": RNN}


def build_stack(
    settings: Any,
    input_size: int,
    hidden_size: int | None = None,
    *,
    bidirectional: bool = False,
) -> RecurrentLayer:
    """Layers of lstm, gru, rnn or a cell of one's own, with dropout between them and no more.

    Args:
        settings: any task's: cell, hidden_size, layers and dropout are read.
        input_size: features of an input step.
        hidden_size: other than that of the settings. None: theirs.
        bidirectional: whether they read both ways.

    Raises:
        SettingsError: a cell of one's own that cannot be loaded or made.
    """
    size = (input_size, hidden_size or settings.hidden_size, settings.layers)
    # One layer has nothing between: there --dropout acts where the model says, if at all.
    dropout = settings.dropout if settings.layers > 1 else 0.0
    if is_own_cell(settings.cell):
        cells = build_own_cells(settings.cell, *size, bidirectional=bidirectional)
        return Recurrent(*cells, dropout=dropout)
    return _LAYERS[settings.cell](*size, bidirectional=bidirectional, dropout=dropout)


def build_recurrent(settings: Any, input_size: int) -> RecurrentLayer:
    """The layer that the settings describe.

    Args:
        settings: any task's settings.
        input_size: features of an input step.

    Raises:
        SettingsError: options that do not go together.
    """
    shared = _shared_options(settings)
    if is_own_cell(settings.cell):
        size = (input_size, settings.hidden_size, settings.layers)
        cells, _ = build_own_cells(settings.cell, *size)
        return Recurrent(cells, **shared)
    size = (input_size, settings.hidden_size, settings.layers)
    if settings.cell == "gru":
        reset = settings.reset or "after"
        return GRU(*size, layer_norm=settings.layer_norm, reset=reset, **shared)
    if settings.cell == "rnn":
        activation = settings.activation or "tanh"
        return RNN(*size, layer_norm=settings.layer_norm, activation=activation, **shared)
    if settings.cell == "feedforward":
        return _feed_forward(settings, size, shared)
    return LSTM(
        *size,
        layer_norm=settings.layer_norm,
        peepholes=settings.peepholes,
        projection_size=settings.projection_size,
        forget_bias=settings.forget_bias,
        **shared,
    )


def _shared_options(settings: Any) -> dict[str, Any]:
    names = (
        "dropout",
        "locked_dropout",
        "residual",
        "zoneout",
        "recurrent_dropout",
        "weight_drop",
        "learned_initial_state",
        "initialisation",
        "products",
        "recompute",
    )
    return {name: getattr(settings, name) for name in names}


def _feed_forward(
    settings: Any, size: tuple[int, int, int], shared: dict[str, Any]
) -> RecurrentLayer:
    kept = ("dropout", "locked_dropout", "residual", "products", "recompute")
    refused = [name for name, value in shared.items() if value and name not in kept]
    if refused:
        raise SettingsError(f"{refused[0]} acts on the state, and feedforward carries none")
    activation = settings.activation or "tanh"
    options = {name: shared[name] for name in kept}
    return FeedForward(*size, layer_norm=settings.layer_norm, activation=activation, **options)
