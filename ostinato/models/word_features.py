"""What a tagger reads of each token: its word, and the characters that spell it."""

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError, ShapeError
from ostinato.models.character_features import ConvolutionalSpelling, RecurrentSpelling
from ostinato.models.column_features import ColumnFeatures
from ostinato.models.rare_unknown import some_unknown
from ostinato.models.token_checks import check_tokens


class WordFeatures(nn.Module):
    """The embedding of a word, beside features of its spelling.

    In training a word that stands n times in the training data is read as unknown with
    probability a / (n + a), so that the model learns what to do with words it does not know.

    Args:
        word_count: words to tell apart, 0 (padding) and 1 (unknown) included.
        embedding_size: features of a word.
        spelling: reads the characters; None: words alone.
        counts: how often each word stands in the training data (word_count,); None: no word is
            read as unknown in training.
        word_dropout: the a above, at least 0.
        columns: reads what more columns of the file say; None: there are none.

    Raises:
        SettingsError: sizes that do not fit.

    Source: Kiperwasser and Goldberg 2016, section 4.1 (word dropout).
    """

    counts: Tensor | None

    def __init__(
        self,
        word_count: int,
        embedding_size: int,
        spelling: RecurrentSpelling | ConvolutionalSpelling | None = None,
        *,
        counts: Tensor | None = None,
        word_dropout: float = 0.25,
        columns: ColumnFeatures | None = None,
    ) -> None:
        super().__init__()
        if word_count < 2 or embedding_size < 1:
            raise SettingsError(
                "words must be at least 2 (padding and unknown) with at least 1 feature, got "
                f"{word_count} with {embedding_size}"
            )
        if word_dropout < 0:
            raise SettingsError(f"word_dropout must not be negative, got {word_dropout}")
        if counts is not None and counts.shape != (word_count,):
            raise SettingsError(f"counts must be ({word_count},), got {tuple(counts.shape)}")
        self.embedding = nn.Embedding(word_count, embedding_size)
        bound = (3 / embedding_size) ** 0.5
        nn.init.uniform_(self.embedding.weight, -bound, bound)
        self.spelling = spelling
        self.columns = columns
        self.word_dropout = word_dropout
        self.register_buffer("counts", None if counts is None else counts.float())
        spelled = 0 if spelling is None else spelling.output_size
        beside = 0 if columns is None else columns.output_size
        self.output_size = embedding_size + spelled + beside

    def forward(
        self, words: Tensor, characters: Tensor, spellings: Tensor, columns: Tensor | None = None
    ) -> Tensor:
        """Features (batch, time, output_size).

        Args:
            words: indices (batch, time).
            characters: of each token (batch, time, character), 0 behind a token's end.
            spellings: (batch, time), equal where two tokens are spelled alike, so that each
                spelling is read once.
            columns: indices of what more columns say (batch, time, column); needed where the model
                reads them, else not read.

        Raises:
            ShapeError: a shape does not fit.
        """
        check_tokens("words", words, ("batch", "time"))
        found = [self.embedding(self._some_unknown(words))]
        if self.spelling is not None:
            found.append(self._spelled(words, characters, spellings))
        if self.columns is not None:
            if columns is None or columns.shape[:2] != words.shape:
                told = None if columns is None else tuple(columns.shape)
                raise ShapeError(
                    f"columns must be (batch, time, column) for words {tuple(words.shape)}, got "
                    f"{told}"
                )
            found.append(self.columns(columns))
        return torch.cat(found, 2)

    def _some_unknown(self, words: Tensor) -> Tensor:
        if not self.training or self.counts is None or not self.word_dropout:
            return words
        return some_unknown(words, self.counts, self.word_dropout)

    def _spelled(self, words: Tensor, characters: Tensor, spellings: Tensor) -> Tensor:
        assert self.spelling is not None
        if characters.shape[:2] != words.shape or spellings.shape != words.shape:
            raise ShapeError(
                f"characters must be (batch, time, character) and spellings (batch, time) for "
                f"words {tuple(words.shape)}, got {tuple(characters.shape)} and "
                f"{tuple(spellings.shape)}"
            )
        different, number = torch.unique(spellings, return_inverse=True)
        places = torch.arange(number.numel(), device=number.device)
        one_place = places.new_empty(len(different)).scatter_(0, number.flatten(), places)
        return self.spelling(characters.flatten(0, 1)[one_place])[number]
