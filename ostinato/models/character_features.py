"""Features of a word from the characters that spell it."""

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError
from ostinato.layers import LSTM


class RecurrentSpelling(nn.Module):
    """A word read character by character, both ways; its features are the two last states.

    Args:
        character_count: characters to tell apart, 0 (padding) included.
        embedding_size: features of a character.
        hidden_size: units in each direction; a word has twice as many features.

    Source: Ling et al. 2015; Lample et al. 2016, section 4.1.
    """

    def __init__(self, character_count: int, embedding_size: int, hidden_size: int) -> None:
        super().__init__()
        self.embedding = _embedding(character_count, embedding_size)
        self.recurrent = LSTM(embedding_size, hidden_size, bidirectional=True)
        self.output_size = 2 * hidden_size

    def forward(self, characters: Tensor) -> Tensor:
        """Features (words, output_size) of words as characters (words, character), 0 behind."""
        lengths = (characters != 0).sum(1).clamp(min=1)
        _, (state,) = self.recurrent(self.embedding(characters), lengths=lengths)
        return torch.cat([state.forward.hidden, state.backward.hidden], 1)


class ConvolutionalSpelling(nn.Module):
    """A word's characters seen three at a time; its features are the strongest answers.

    Args:
        character_count: characters to tell apart, 0 (padding) included.
        embedding_size: features of a character.
        hidden_size: filters, each a feature of the word.

    Source: Ma and Hovy 2016, section 2.1 (width 3).
    """

    def __init__(self, character_count: int, embedding_size: int, hidden_size: int) -> None:
        super().__init__()
        self.embedding = _embedding(character_count, embedding_size)
        self.convolution = nn.Conv1d(embedding_size, hidden_size, 3, padding=1)
        self.output_size = hidden_size

    def forward(self, characters: Tensor) -> Tensor:
        """Features (words, output_size) of words as characters (words, character), 0 behind."""
        real = (characters != 0).unsqueeze(1)
        embedded = self.embedding(characters).transpose(1, 2) * real
        answers = torch.tanh(self.convolution(embedded))
        return torch.where(real, answers, -1.0).amax(2)


def _embedding(character_count: int, embedding_size: int) -> nn.Embedding:
    if character_count < 1 or embedding_size < 1:
        raise SettingsError(
            f"characters and their features must be at least 1, got {character_count} and "
            f"{embedding_size}"
        )
    embedding = nn.Embedding(character_count, embedding_size)
    bound = (3 / embedding_size) ** 0.5
    nn.init.uniform_(embedding.weight, -bound, bound)
    return embedding
