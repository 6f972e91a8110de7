"""torch's calling convention around our layers: the one place that knows it.

`replace(model)` puts an adapter in place of every `torch.nn.RNN`, `LSTM` and `GRU` inside a model.
The adapter takes what torch's module takes (time first or batch first, `(h, c)`, packed or
unbatched input), holds the same parameters, and gives the same outputs and gradients within
rounding.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from ostinato.engine import Reading
from ostinato.errors import SettingsError, ShapeError
from ostinato.layers.named import GRU, LSTM, RNN
from ostinato.layers.recurrent import RecurrentLayer
from ostinato.layers.torch_weights import torch_parameters
from ostinato.state import Bidirectional, HiddenState, LSTMState, tensors

_REPLACED = (nn.RNN, nn.LSTM, nn.GRU)


def replace(model: nn.Module) -> nn.Module:
    """Put ours in place of every `torch.nn.RNN`, `LSTM` and `GRU` in `model`, weights and all.

    The parameters stay the same objects, so optimisers and tied weights go on working, but their
    names in `state_dict()` change to ours.

    Args:
        model: any module; it is changed in place. If it is itself such a layer, use what is
            returned.

    Returns:
        The model, or the adapter where the model itself was such a layer.

    Example:
        >>> model = torch.nn.ModuleDict({"encoder": torch.nn.GRU(3, 8, batch_first=True)})
        >>> model = ostinato.replace(model)
        >>> outputs, hidden = model["encoder"](torch.zeros(2, 5, 3))
        >>> outputs.shape, hidden.shape
        (torch.Size([2, 5, 8]), torch.Size([1, 2, 8]))
    """
    return _replace(model, {})


def _replace(module: nn.Module, done: dict[int, nn.Module]) -> nn.Module:
    if id(module) not in done:
        done[id(module)] = module
        if isinstance(module, _REPLACED):
            done[id(module)] = TorchAdapter(module)
        else:
            # Not named_children(), which passes over a module met a second time.
            for name, child in list(module._modules.items()):
                if child is not None:
                    setattr(module, name, _replace(child, done))
    return done[id(module)]


class TorchAdapter(nn.Module):
    """One of our layers behind torch's calling convention.

    Args:
        module: the `torch.nn.RNN`, `LSTM` or `GRU` to stand for; its parameters are taken over.

    Raises:
        SettingsError: a parametrised or subclassed module, which could compute something else.
    """

    def __init__(self, module: nn.RNN | nn.LSTM | nn.GRU) -> None:
        super().__init__()
        if type(module) not in _REPLACED:
            raise SettingsError(
                f"cannot replace {type(module).__name__}: it may compute something else than its "
                "parent class; replace only torch.nn.RNN, LSTM and GRU themselves"
            )
        self.batch_first = module.batch_first
        self.is_lstm = isinstance(module, nn.LSTM)
        self.layer = _our_layer(module)
        _take_parameters(self.layer, module)
        self.train(module.training)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:  # torch's own names
        """As `torch.nn.LSTM.forward` and the like."""
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        if input.dim() == 2:
            outputs, final = self._padded(input.unsqueeze(0), self._batched(hx), None)
            return outputs.squeeze(0), self._unbatched(final)
        if input.dim() != 3:
            raise ShapeError(f"input must have 2 or 3 axes, got {tuple(input.shape)}")
        inputs = input if self.batch_first else input.transpose(0, 1)
        outputs, final = self._padded(inputs, hx, None)
        return (outputs if self.batch_first else outputs.transpose(0, 1)), final

    def _packed(self, packed: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        inputs, lengths = pad_packed_sequence(packed, batch_first=True)
        outputs, final = self._padded(inputs, hx, lengths.to(inputs.device))
        order = packed.sorted_indices
        if order is not None:
            outputs, lengths = outputs[order], lengths[order.to(lengths.device)]
        repacked = pack_padded_sequence(outputs, lengths, batch_first=True)
        data, sizes = repacked.data, repacked.batch_sizes
        return PackedSequence(data, sizes, packed.sorted_indices, packed.unsorted_indices), final

    def _padded(self, inputs: Tensor, hx: Any, lengths: Tensor | None) -> tuple[Tensor, Any]:
        state = None if hx is None else self._from_torch(hx, inputs.shape[0])
        outputs, state, _ = self.layer.run(inputs, state, Reading(lengths=lengths))
        return outputs, self._to_torch(state)

    def _from_torch(self, hx: Any, batch_size: int) -> Any:
        """torch's (layers * directions, batch, size) as a tuple over our layers."""
        parts = hx if self.is_lstm else (hx,)
        ways = 2 if self.layer.bidirectional else 1
        expected = len(self.layer.cells) * ways
        for part in parts:
            if part.dim() != 3 or part.shape[:2] != (expected, batch_size):
                raise ShapeError(
                    f"the state must be (layers * directions, batch, size) = ({expected}, "
                    f"{batch_size}, ...), got {tuple(part.shape)}"
                )
        kind = LSTMState if self.is_lstm else HiddenState
        entries = [kind(*(part[index] for part in parts)) for index in range(expected)]
        if ways == 1:
            return tuple(entries)
        return tuple(map(Bidirectional, entries[::2], entries[1::2]))

    def _to_torch(self, state: Any) -> Any:
        """Our state as torch's `h`, or `(h, c)` for an LSTM."""
        flat = tensors(state)
        if not self.is_lstm:
            return torch.stack(flat)
        return torch.stack(flat[::2]), torch.stack(flat[1::2])

    def _batched(self, hx: Any) -> Any:
        if hx is None:
            return None
        return tuple(part.unsqueeze(1) for part in hx) if self.is_lstm else hx.unsqueeze(1)

    def _unbatched(self, final: Any) -> Any:
        return tuple(part.squeeze(1) for part in final) if self.is_lstm else final.squeeze(1)


def _our_layer(module: nn.RNN | nn.LSTM | nn.GRU) -> RecurrentLayer:
    shape = (
        module.input_size,
        module.hidden_size,
        module.num_layers,
        module.bidirectional,
    )
    # torch accepts dropout on a single layer, where it does nothing; ours refuses it.
    dropout = module.dropout if module.num_layers > 1 else 0.0
    if isinstance(module, nn.LSTM):
        projection = module.proj_size or None
        return LSTM(*shape, dropout, bias=module.bias, projection_size=projection)
    if isinstance(module, nn.GRU):
        return GRU(*shape, dropout, bias=module.bias)
    activation = "relu" if module.nonlinearity == "relu" else "tanh"
    return RNN(*shape, dropout, bias=module.bias, activation=activation)


def _take_parameters(layer: RecurrentLayer, module: nn.Module) -> None:
    """Hang torch's own parameter objects into our cells."""
    theirs = dict(module.named_parameters())
    if theirs.keys() != torch_parameters(layer).keys():
        raise SettingsError(
            f"cannot replace this {type(module).__name__}: its weights are parametrised "
            f"(found {sorted(theirs)}); remove the parametrisation first"
        )
    cells = [*layer.cells, *(layer.backward_cells or [])]
    ours = {id(p): (cell, n) for cell in cells for n, p in cell.named_parameters()}
    for name, parameter in torch_parameters(layer).items():
        cell, own_name = ours[id(parameter)]
        setattr(cell, own_name, theirs[name])
