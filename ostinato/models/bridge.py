"""From the encoder's last state to the decoder's first."""

from typing import Any, Literal

import torch
from torch import nn

from ostinato.errors import SettingsError
from ostinato.layers import RecurrentLayer
from ostinato.state import rebuild, tensors

BridgeKind = Literal["copy", "dense"]


class Bridge(nn.Module):
    """The state that a decoder starts from.

    Args:
        encoder, decoder: the recurrent layers of both.
        kind: "copy" hands the encoder's final state on as it is (Sutskever 2014); both must then
            have equal layers that read one way. "dense" makes the decoder's hidden state
            H_0 = tanh(W h + b) from the encoder's, of both directions where there are two (after
            Bahdanau 2015, A.2.2, which takes the backward one), and an LSTM's memory by another
            matrix without tanh; each layer from the encoder's layer of the same depth, or all
            from its last where their numbers differ. None: the decoder starts as it does alone.

    Raises:
        SettingsError: the layers do not allow this kind.
    """

    def __init__(
        self, encoder: RecurrentLayer, decoder: RecurrentLayer, kind: BridgeKind | None
    ) -> None:
        super().__init__()
        if kind not in ("copy", "dense", None):
            raise SettingsError(f'bridge must be "copy", "dense" or None, got {kind!r}')
        if kind is not None and decoder.options.learned_initial_state:
            raise SettingsError(
                "a decoder with a learned initial state cannot also start from the encoder's: use "
                "bridge=None, or learned_initial_state=False"
            )
        self.kind = kind
        self.dense = nn.ModuleList()
        if kind == "copy":
            _check_equal(encoder, decoder)
        elif kind == "dense":
            self._make_dense(encoder, decoder)

    def forward(self, state: Any, initial_state: Any) -> Any:
        """The decoder's first state.

        Args:
            state: the encoder's final state.
            initial_state: the decoder's own, which parts that nothing is made for keep.
        """
        if self.kind is None:
            return initial_state
        if self.kind == "copy":
            return state
        paired = _paired(state, len(initial_state))
        entries = zip(paired, initial_state, self.dense, strict=True)
        return tuple(_start(_summary(entry), own, parts) for entry, own, parts in entries)

    def _make_dense(self, encoder: RecurrentLayer, decoder: RecurrentLayer) -> None:
        states = encoder.initial_state(1)
        for entry, cell in zip(
            _paired(states, len(decoder.cells)), decoder.initial_state(1), strict=True
        ):
            if not tensors(entry) or not tensors(cell):
                raise SettingsError(
                    'bridge="dense" needs an encoder and a decoder that carry a state; use '
                    "bridge=None"
                )
            width = _summary(entry).shape[1]
            parts = {name: getattr(cell, name).shape[1] for name in _made(cell)}
            self.dense.append(
                nn.ModuleDict({name: nn.Linear(width, size) for name, size in parts.items()})
            )


def _paired(states: Any, count: int) -> list[Any]:
    """For each of `count` decoder layers the encoder's entry that it starts from."""
    return list(states) if len(states) == count else [states[-1]] * count


def _summary(entry: Any) -> torch.Tensor:
    """The hidden states of one layer's directions side by side, (batch, size)."""
    ways = entry if entry and isinstance(entry[0], tuple) else (entry,)
    return torch.cat([way[0] for way in ways], -1)


def _made(cell_state: Any) -> tuple[str, ...]:
    """The parts that are made from the encoder's state: hidden first, and a plain LSTM's memory.

    Others, as an sLSTM's normaliser, would not fit a memory that they did not add up.
    """
    names = cell_state._fields
    return names if set(names) <= {"hidden", "memory"} else names[:1]


def _start(summary: torch.Tensor, own: Any, parts: Any) -> Any:
    made = {name: dense(summary) for name, dense in parts.items()}
    first = own._fields[0]
    made[first] = torch.tanh(made[first])
    return rebuild(own, [made.get(name, part) for name, part in own._asdict().items()])


def _check_equal(encoder: RecurrentLayer, decoder: RecurrentLayer) -> None:
    ours, theirs = encoder.initial_state(1), decoder.initial_state(1)
    shapes = [[part.shape[1] for part in tensors(state)] for state in (ours, theirs)]
    if encoder.bidirectional or shapes[0] != shapes[1]:
        ways = "both ways" if encoder.bidirectional else "one way"
        raise SettingsError(
            f'bridge="copy" needs equal layers that read one way; the encoder reads {ways} with '
            f"state sizes {shapes[0]}, the decoder's are {shapes[1]}; make them equal, or use "
            'bridge="dense"'
        )
