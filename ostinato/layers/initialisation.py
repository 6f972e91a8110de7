"""Recurrent weights that neither shrink nor blow up what passes through them, at first."""

import torch
from torch import nn

from ostinato.cells import Cell
from ostinato.errors import SettingsError
from ostinato.layers.options import Initialisation


def initialise_recurrent(cell: Cell, initialisation: Initialisation) -> None:
    """Set each block (gate) of the cell's recurrent weights to an orthogonal or identity matrix.

    Args:
        cell: its `recurrent_weights` are (k * rows, columns), k the number of gates.
        initialisation: "orthogonal" (Saxe 2013) or "identity" (Le 2015).

    Raises:
        SettingsError: the cell has no recurrent matrix, or its blocks are not square ("identity").
    """
    names = [name for name in cell.recurrent_weights if getattr(cell, name).dim() == 2]
    if not names:
        raise SettingsError(
            f"initialisation={initialisation!r} acts on recurrent weight matrices, and "
            f"{type(cell).__name__} has none"
        )
    for name in names:
        weight: nn.Parameter = getattr(cell, name)
        for block in _blocks(cell, weight):
            _fill(block, initialisation, type(cell).__name__)


def _blocks(cell: Cell, weight: nn.Parameter) -> tuple[torch.Tensor, ...]:
    rows = cell.hidden_size if weight.shape[0] % cell.hidden_size == 0 else weight.shape[0]
    return weight.detach().split(rows)


def _fill(block: torch.Tensor, initialisation: Initialisation, cell: str) -> None:
    if initialisation == "orthogonal":
        nn.init.orthogonal_(block)
        return
    if block.shape[0] != block.shape[1]:
        raise SettingsError(
            f'initialisation="identity" needs square recurrent weights; {cell} has blocks of '
            f"{tuple(block.shape)}"
        )
    nn.init.eye_(block)
