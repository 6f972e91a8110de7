"""Features of a token from what more columns of its file say of it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError, ShapeError
from ostinato.models.rare_unknown import some_unknown


class ColumnFeatures(nn.Module):
    """An embedding of each column's value, side by side: a part of speech, a chunk, a lemma.

    In training a value is read as unknown by the same rule as a word (`WordFeatures`).

    Args:
        counts: for each column how often each value stands in the training data, those of 0
            (padding) and 1 (unknown) included.
        size: features of a value.
        word_dropout: the a of the rule; 0: no value is read as unknown.

    Raises:
        SettingsError: no column, or sizes that cannot be.
    """

    def __init__(
        self, counts: Sequence[Sequence[int]], size: int, *, word_dropout: float = 0.25
    ) -> None:
        super().__init__()
        if not counts or min(map(len, counts)) < 2 or size < 1:
            raise SettingsError(
                "each column needs at least 2 values (padding and unknown) with at least 1 feature,"
                f" got {[len(one) for one in counts]} with {size}"
            )
        self.embeddings = nn.ModuleList(nn.Embedding(len(one), size) for one in counts)
        bound = (3 / size) ** 0.5
        for embedding in self.embeddings:
            nn.init.uniform_(embedding.weight, -bound, bound)  # pyright: ignore[reportArgumentType]
        for place, one in enumerate(counts):
            self.register_buffer(f"counts_{place}", torch.tensor(one, dtype=torch.float32))
        self.word_dropout = word_dropout
        self.output_size = len(counts) * size

    def forward(self, columns: Tensor) -> Tensor:
        """Indices (batch, time, column) to features (batch, time, output_size).

        Raises:
            ShapeError: another number of columns.
        """
        if columns.dim() != 3 or columns.shape[2] != len(self.embeddings):
            raise ShapeError(
                f"columns must be (batch, time, {len(self.embeddings)}), got {tuple(columns.shape)}"
            )
        found = []
        for place, embedding in enumerate(self.embeddings):
            values = columns[:, :, place]
            if self.training and self.word_dropout:
                values = some_unknown(values, self.get_buffer(f"counts_{place}"), self.word_dropout)
            found.append(embedding(values))
        return torch.cat(found, 2)
