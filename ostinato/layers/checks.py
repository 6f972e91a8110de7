"""Do these cells fit each other and these options? Said when the layer is made."""

from collections.abc import Sequence

import torch

from ostinato.cells import Cell
from ostinato.engine import products_obstacle
from ostinato.errors import SettingsError
from ostinato.layers.options import LayerOptions
from ostinato.state import map_state


def check_cells(
    cells: Sequence[Cell], backward_cells: Sequence[Cell] | None, options: LayerOptions
) -> None:
    """Raise SettingsError unless the cells can be stacked so and every option can act on each."""
    if not cells:
        raise SettingsError("a layer needs at least one cell, got none")
    if backward_cells is not None and len(backward_cells) != len(cells):
        raise SettingsError(
            f"each layer needs a forward and a backward cell, got {len(cells)} forward and "
            f"{len(backward_cells)} backward"
        )
    _check_widths(cells, backward_cells, options)
    for cell in (*cells, *(backward_cells or ())):
        if not isinstance(cell, Cell):
            raise SettingsError(f"cells must be ostinato.Cell, got {type(cell).__name__}")
        _check_options(cell, options)
    if options.dropout and len(cells) == 1:
        raise SettingsError(
            "dropout acts between layers and there is one layer only; use dropout=0.0, "
            "or more layers, or recurrent_dropout inside the layer"
        )
    if options.residual and len(cells) == 1:
        raise SettingsError("residual acts from the second layer on and there is one layer only")


def _check_widths(
    cells: Sequence[Cell], backward_cells: Sequence[Cell] | None, options: LayerOptions
) -> None:
    width = cells[0].input_size
    for depth, cell in enumerate(cells):
        pair = [cell] if backward_cells is None else [cell, backward_cells[depth]]
        for member in pair:
            if member.input_size != width:
                raise SettingsError(
                    f"layer {depth} reads {width} features, but its cell "
                    f"{type(member).__name__} has input_size {member.input_size}"
                )
        outputs = sum(member.output_size for member in pair)
        if options.residual and depth > 0 and outputs != width:
            raise SettingsError(
                f"residual needs equal widths; layer {depth} reads {width} features "
                f"and puts out {outputs}"
            )
        width = outputs


def _check_options(cell: Cell, options: LayerOptions) -> None:
    name = type(cell).__name__
    obstacle = None if options.products is None else products_obstacle(cell, options.products)
    if obstacle is not None:
        raise SettingsError(obstacle)
    if not cell.state_sizes:
        acting = [
            option
            for option in ("zoneout", "recurrent_dropout", "learned_initial_state")
            if getattr(options, option)
        ]
        if acting:
            raise SettingsError(f"{acting[0]} acts on the state, and {name} carries none")
    else:
        options.zoneout_rates(getattr(cell.state_sizes, "_fields", ()))
    if options.weight_drop and not cell.recurrent_weights:
        raise SettingsError(f"weight_drop acts on recurrent weights, and {name} names none")
    if options.recurrent_dropout and not _reads_hidden(cell):
        raise SettingsError(
            f"recurrent_dropout drops what the recurrent product reads, but the step of {name} "
            "does not use its argument `hidden`; use it where the product reads H_{t-1}"
        )


def _reads_hidden(cell: Cell) -> bool:
    """Whether the step's result depends on its argument `hidden`, asked of the derivative."""
    with torch.enable_grad():
        state = map_state(lambda part: torch.full_like(part, 0.5), cell.initial_state(1))
        hidden = state[0].detach().clone().requires_grad_()
        like = hidden.new_zeros(1, cell.input_size)
        output, following = cell.step(cell.project(like).detach(), hidden, state)
        reached = [part for part in (output, *following) if part.requires_grad]
        if not reached:
            return False
        total = torch.stack([part.sum() for part in reached]).sum()
        return torch.autograd.grad(total, hidden, allow_unused=True)[0] is not None
