"""The pointer network of Vinyals 2015: one recurrent network reads the points, another points."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError
from ostinato.layers import RecurrentLayer
from ostinato.layers.pointer import Pointer, PointerKeys, pointed_at, with_row_0


class ReadByRecurrence(NamedTuple):
    """Points as they were read: `pointers` for the pointer, `table` (batch, points + 1,
    coordinates) what the decoder reads for each of them, `state` what it starts from.
    """

    pointers: PointerKeys
    table: Tensor
    state: Any


class RecurrentPointing(nn.Module):
    """An encoder and a decoder of the same cells, and a pointer between them.

        e_1 .. e_n = encoder(p_1 .. p_n),      d_0 = its final state
        d_t = decoder(d_{t-1}, coordinates of the point chosen last)
        P(C_t | C_1 .. C_{t-1}) = pointer(d_t; e_end, e_1 .. e_n)

    The first step reads a learned start instead of a point, and e_end is learned.

    Args:
        encoder: reads the coordinates of one point a step.
        decoder: likewise; its layers carry states of the sizes of the encoder's.
        hidden_size: width of the pointer's comparison.
        glimpses, clip: as `Pointer` takes them.

    Raises:
        SettingsError: encoder and decoder do not fit each other.

    Source: Vinyals 2015, section 2.3. Theirs reads its special tokens as inputs, too; the closing
    of a hull is pointing at its first point, as in their data.
    """

    def __init__(
        self,
        encoder: RecurrentLayer,
        decoder: RecurrentLayer,
        hidden_size: int,
        *,
        glimpses: int = 0,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        _check_pair(encoder, decoder)
        self.encoder = encoder
        self.decoder = decoder
        size = encoder.output_size
        self.pointer = Pointer(size, decoder.output_size, hidden_size, glimpses=glimpses, clip=clip)
        self.start = nn.Parameter(torch.zeros(decoder.input_size))
        self.end = nn.Parameter(torch.empty(size).uniform_(-0.1, 0.1))

    def read(self, points: Tensor, lengths: Tensor) -> ReadByRecurrence:
        """Read points (batch, points, coordinates), the real ones `lengths` (batch,)."""
        features, state = self.encoder(points, lengths=lengths)
        return ReadByRecurrence(
            self.pointer.prepare(with_row_0(self.end, features)),
            with_row_0(self.start, points),
            state,
        )

    def initial_state(self, read: ReadByRecurrence) -> Any:
        """The decoder's state before the first step."""
        return read.state

    def forward(
        self, read: ReadByRecurrence, pointers: Tensor, allowed: Tensor, state: Any
    ) -> tuple[Tensor, Any]:
        """Log-probabilities of the pointers that come after each of `pointers`.

        Args:
            read: the points, as `read` gave them; or of fewer samples, which k rows next to each
                other share.
            pointers: integers (rows, time), those before; 0 before the first.
            allowed: booleans (rows, time, points + 1).
            state: before the first of `pointers`, as many rows.

        Returns:
            (rows, time, points + 1), and the state after the last.
        """
        # Rows that share a sample are read as more steps of it, so that no key is repeated.
        queries, state = self.decoder(pointed_at(read.table, pointers), state)
        folded = queries.reshape(len(read.table), -1, queries.shape[2])
        scores = self.pointer(read.pointers, folded, allowed.reshape(*folded.shape[:2], -1))
        return scores.view(allowed.shape), state


def _check_pair(encoder: RecurrentLayer, decoder: RecurrentLayer) -> None:
    if encoder.bidirectional or decoder.bidirectional:
        raise SettingsError(
            "encoder and decoder of a pointer network read one way: the decoder starts from the "
            "encoder's final state"
        )
    sizes = [[cell.state_sizes for cell in layer.cells] for layer in (encoder, decoder)]
    if sizes[0] != sizes[1]:
        raise SettingsError(
            f"the decoder starts from the encoder's final state, but their states are of sizes "
            f"{sizes[0]} and {sizes[1]}; give both the same cells"
        )
    if not any(sizes[0]):
        raise SettingsError("the cells of a pointer network must carry a state")
