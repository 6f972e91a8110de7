"""The encoder: a source sequence read by recurrent layers."""

from typing import Any

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError
from ostinato.layers import Dropout, RecurrentLayer, check_rate
from ostinato.models.sequence_memory import Encoded
from ostinato.models.token_checks import check_tokens
from ostinato.models.token_embedding import token_embedding


class RecurrentEncoder(nn.Module):
    """Embedding and any recurrent layer of ours, one way or both.

    Args:
        vocabulary_size: source tokens to tell apart.
        embedding_size: features of a token; the layer's input_size.
        recurrent: the layer.
        dropout: share of the embedded features dropped, others at each step.
        reverse_source: read each source from its last token to its first, which brings the first
            ones close to the beginning of the target (Sutskever 2014). The outputs stand in the
            source's own order all the same.

    Raises:
        SettingsError: the layer's width is not that of a token.

    Example:
        >>> encoder = RecurrentEncoder(50, 8, ostinato.GRU(8, 16, bidirectional=True))
        >>> encoded = encoder(torch.randint(50, (2, 7)), torch.tensor([7, 4]))
        >>> encoded.outputs.shape
        torch.Size([2, 7, 32])
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        recurrent: RecurrentLayer,
        *,
        dropout: float = 0.0,
        reverse_source: bool = False,
    ) -> None:
        super().__init__()
        check_rate("dropout", dropout)
        if recurrent.input_size != embedding_size:
            raise SettingsError(
                f"the encoder's recurrent layer reads {recurrent.input_size} features, but a token "
                f"has embedding_size {embedding_size}"
            )
        self.vocabulary_size = vocabulary_size
        self.embedding = token_embedding(vocabulary_size, embedding_size)
        self.dropout = Dropout(dropout)
        self.recurrent = recurrent
        self.reverse_source = reverse_source
        self.output_size = recurrent.output_size

    def forward(
        self, source: Tensor, lengths: Tensor | None = None, *, unknown_index: int | None = None
    ) -> Encoded:
        """Read sources.

        Args:
            source: token indices (batch, source time); past a sample's length any index will do.
            lengths: integers (batch,); None: all positions are real.
            unknown_index: read this for tokens outside the vocabulary. None: there are none.

        Raises:
            ShapeError: `source` or `lengths` do not fit.
        """
        check_tokens("source", source, ("batch", "source time"))
        if unknown_index is not None:
            source = torch.where(source < self.vocabulary_size, source, unknown_index)
        embedded = self.dropout(self.embedding(source))
        if not self.reverse_source:
            outputs, state = self.recurrent(embedded, lengths=lengths)
            return self._encoded(outputs, state, lengths)
        order = _reversed_order(source, lengths).unsqueeze(2)
        backwards = embedded.gather(1, order.expand_as(embedded))
        outputs, state = self.recurrent(backwards, lengths=lengths)
        return self._encoded(outputs.gather(1, order.expand_as(outputs)), state, lengths)

    def _encoded(self, outputs: Tensor, state: Any, lengths: Tensor | None) -> Encoded:
        if lengths is None:
            lengths = torch.full(outputs.shape[:1], outputs.shape[1], device=outputs.device)
        return Encoded(outputs, state, lengths.to(outputs.device))


def _reversed_order(source: Tensor, lengths: Tensor | None) -> Tensor:
    """(batch, time): the position read at each step; padding stays behind. Its own inverse."""
    places = torch.arange(source.shape[1], device=source.device).expand(source.shape)
    if lengths is None:
        return places.flip(1)
    ends = lengths.to(source.device).unsqueeze(1)
    return torch.where(places < ends, ends - 1 - places, places)
