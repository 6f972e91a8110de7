"""The masks of dropout, zoneout and weight drop, drawn once a call, before the loop over time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from ostinato.cells import Cell
from ostinato.engine import Noise
from ostinato.errors import SettingsError
from ostinato.layers.dropout import inverted_mask, random_mask
from ostinato.layers.options import LayerOptions
from ostinato.state import rebuild


class LayerNoise(NamedTuple):
    """The masks of one layer of a stack.

    `forward` and `backward` act inside the two directions (`backward` is None where there is one
    direction only); `dropout` (batch, time or 1, feature) multiplies the layer's outputs before
    the next layer reads them, or is None.
    """

    forward: Noise
    backward: Noise | None
    dropout: Tensor | None

    def window(self, start: int, stop: int) -> "LayerNoise":
        """The masks of the steps from `start` up to, not including, `stop`, read forward."""
        dropout = self.dropout
        if dropout is not None and dropout.shape[1] > 1:
            dropout = dropout[:, start:stop]
        backward = None if self.backward is None else self.backward.window(start, stop)
        return LayerNoise(self.forward.window(start, stop), backward, dropout)


def draw_cell_noise(
    cell: Cell, options: LayerOptions, batch_size: int, time: int, *, training: bool
) -> Noise:
    """The masks inside one cell's loop; in evaluation only zoneout acts, by its expectation."""
    keep = _zoneout(cell, options, batch_size, time, training=training)
    if not training:
        return Noise(keep=keep)
    hidden = None
    if options.recurrent_dropout:
        like = next(cell.parameters())
        size = cell.state_sizes[0]
        hidden = inverted_mask(like.new_empty(batch_size, size), options.recurrent_dropout)
    return Noise(hidden, keep, _dropped_weights(cell, options.weight_drop))


def draw_dropout(like: Tensor, options: LayerOptions, width: int, time: int) -> Tensor | None:
    """The mask between two layers, for inputs like `like` (batch, ...); None without dropout."""
    if not options.dropout:
        return None
    steps = 1 if options.locked_dropout else time
    return inverted_mask(like.new_empty(like.shape[0], steps, width), options.dropout)


def refuse_random_graph(acting: Sequence[str]) -> None:
    """Raise SettingsError if any options act that draw masks, before a graph is exported."""
    if acting:
        raise SettingsError(
            f"the model is in training mode, where {' and '.join(acting)} would draw new masks at "
            "every call, and an exported graph is for evaluation: call model.eval() first"
        )


def _zoneout(
    cell: Cell, options: LayerOptions, batch_size: int, time: int, *, training: bool
) -> Any:
    rates = options.zoneout_rates(getattr(cell.state_sizes, "_fields", ()))
    if not any(rates.values()):
        return None
    like = next(cell.parameters())
    parts = []
    for rate, size in zip(rates.values(), cell.state_sizes, strict=True):
        if training:
            parts.append(random_mask(like.new_empty(batch_size, time, size), rate))
        else:
            parts.append(like.new_full((1, 1, 1), rate).expand(batch_size, time, size))
    return rebuild(cell.state_sizes, parts)


def _dropped_weights(cell: Cell, rate: float) -> dict[str, Tensor]:
    if not rate:
        return {}
    weights = {name: getattr(cell, name) for name in cell.recurrent_weights}
    return {name: weight * inverted_mask(weight, rate) for name, weight in weights.items()}
