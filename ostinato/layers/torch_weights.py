"""Weights of `torch.nn.RNN`, `LSTM` and `GRU`, both ways.

torch names the weights of layer l `weight_ih_l{l}`, those that read backward `..._reverse`. Ours
hang on the cells. Whatever torch cannot express is refused, since equal names and shapes could load
silently wrong: a GRU that resets before the product, peepholes, layer norm, unequal widths.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from ostinato.cells import Cell
from ostinato.engine import VendorForm
from ostinato.errors import CheckpointError, SettingsError
from ostinato.layers.recurrent import RecurrentLayer


def load_torch_state_dict(layer: RecurrentLayer, weights: Mapping[str, Tensor]) -> None:
    """Copy the state dict of a `torch.nn.RNN`, `LSTM` or `GRU` into `layer`.

    Args:
        layer: of the same kind, sizes, depth and directions.
        weights: as `module.state_dict()` returns them.

    Raises:
        SettingsError: the layer has a part that torch cannot express.
        CheckpointError: a name is missing or too many, or a shape differs.
    """
    ours = torch_parameters(layer)
    missing, unknown = ours.keys() - weights.keys(), weights.keys() - ours.keys()
    if missing or unknown:
        raise CheckpointError(
            "the torch state dict does not fit this layer: "
            f"missing {sorted(missing) or 'nothing'}, unexpected {sorted(unknown) or 'nothing'}"
        )
    for name, parameter in ours.items():
        if parameter.shape != weights[name].shape:
            raise CheckpointError(
                f"{name} has shape {tuple(weights[name].shape)} in the torch state dict and "
                f"{tuple(parameter.shape)} here"
            )
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.copy_(weights[name])


def torch_state_dict(layer: RecurrentLayer) -> dict[str, Tensor]:
    """The weights of `layer` under the names of torch's module of the same kind.

    Raises:
        SettingsError: the layer has a part that torch cannot express.
    """
    return {name: weight.detach().clone() for name, weight in torch_parameters(layer).items()}


def torch_parameters(layer: RecurrentLayer) -> dict[str, Tensor]:
    """The layer's own parameters under torch's names, in torch's order."""
    _check_expressible(layer)
    named = {}
    for depth, suffix, cell in _cells(layer):
        form = _form(cell)
        for name in form.weights:
            named[f"{name}_l{depth}{suffix}"] = getattr(cell, name)
    return named


def torch_kind(layer: RecurrentLayer) -> str:
    """ "lstm", "gru", "rnn_tanh" or "rnn_relu": the torch module that computes the same."""
    _check_expressible(layer)
    return _form(next(cell for _, _, cell in _cells(layer))).kind


def _cells(layer: RecurrentLayer) -> Iterator[tuple[int, str, Cell]]:
    for depth, cell in enumerate(layer.cells):
        yield depth, "", cell  # pyright: ignore[reportReturnType]
        if layer.backward_cells is not None:
            yield depth, "_reverse", layer.backward_cells[depth]  # pyright: ignore[reportReturnType]


def _form(cell: Cell) -> VendorForm:
    form = cell.vendor_form()
    if form is None:
        raise SettingsError(f"torch.nn has no layer that computes what this {cell!r} does")
    return form


def _check_expressible(layer: RecurrentLayer) -> None:
    forms = {_form(cell) for _, _, cell in _cells(layer)}
    sizes = {cell.hidden_size for _, _, cell in _cells(layer)}
    if len(forms) > 1:
        raise SettingsError("torch.nn has no layer that stacks cells of different kinds")
    if len(sizes) > 1:
        raise SettingsError(f"torch.nn has no layer of unequal hidden sizes {sorted(sizes)}")
    for option in ("residual", "zoneout", "recurrent_dropout", "weight_drop"):
        if getattr(layer.options, option):
            raise SettingsError(f"torch.nn has no {option}; make the layer without it to convert")
    if layer.options.learned_initial_state:
        raise SettingsError("torch.nn has no learned initial state")
