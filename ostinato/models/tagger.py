"""A label for every token of a sequence."""

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError
from ostinato.layers import Dropout, LinearChainCRF, RecurrentLayer, check_rate, mask_of_lengths
from ostinato.models.word_features import WordFeatures


class Tagger(nn.Module):
    """Features of words, a recurrent layer over them, one way or both, and labels.

        e_t = features(word t)      h_1 ... h_T = recurrent(e_1 ... e_T)      scores_t = W h_t + b

    Without a conditional random field each label is chosen by itself, P(y_t) = softmax(scores_t);
    with one the labels of a sentence are chosen together.

    Args:
        features: from tokens to numbers.
        recurrent: reads `features.output_size` features.
        label_count: labels to tell apart.
        conditional_random_field: choose labels together.
        dropout: share of the features and of the recurrent outputs dropped, others at each step.

    Raises:
        SettingsError: sizes that do not fit.

    Example:
        >>> features = ostinato.WordFeatures(100, 16)
        >>> tagger = ostinato.Tagger(features, ostinato.LSTM(16, 32, bidirectional=True), 5)
        >>> words, lengths = torch.randint(2, 100, (2, 7)), torch.tensor([7, 4])
        >>> labels = tagger.predict(words, words.unsqueeze(2), words, lengths)
        >>> labels.shape
        torch.Size([2, 7])

    Source: Huang, Xu and Yu 2015; Lample et al. 2016.
    """

    def __init__(
        self,
        features: WordFeatures,
        recurrent: RecurrentLayer,
        label_count: int,
        *,
        conditional_random_field: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_rate("dropout", dropout)
        if recurrent.input_size != features.output_size:
            raise SettingsError(
                f"the recurrent layer reads {recurrent.input_size} features, but a token has "
                f"{features.output_size}"
            )
        self.features = features
        self.dropout = Dropout(dropout)
        self.recurrent = recurrent
        self.output = nn.Linear(recurrent.output_size, label_count)
        self.crf = LinearChainCRF(label_count) if conditional_random_field else None

    def forward(
        self,
        words: Tensor,
        characters: Tensor,
        spellings: Tensor,
        lengths: Tensor,
        columns: Tensor | None = None,
    ) -> Tensor:
        """The score of each label at each token.

        Args:
            words, characters, spellings, columns: see `WordFeatures.forward`.
            lengths: integers (batch,), the tokens of each sentence.

        Returns:
            scores (batch, time, label_count); those past a sentence's length mean nothing.

        Raises:
            ShapeError: a shape does not fit.
        """
        features = self.dropout(self.features(words, characters, spellings, columns))
        outputs, _ = self.recurrent(features, lengths=lengths)
        return self.output(self.dropout(outputs))

    def loss(self, scores: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        """The negative log-likelihood (batch,) of each sentence's labels, in nats.

        Args:
            scores: as `forward` gives them.
            labels: indices of the true ones (batch, time); past a sentence's length any will do.
            lengths: as there.
        """
        if self.crf is not None:
            return self.crf.loss(scores, labels, lengths)
        losses = nn.functional.cross_entropy(scores.transpose(1, 2), labels, reduction="none")
        return torch.where(mask_of_lengths(lengths, labels.shape[1]), losses, 0.0).sum(1)

    @torch.no_grad()
    def predict(
        self,
        words: Tensor,
        characters: Tensor,
        spellings: Tensor,
        lengths: Tensor,
        columns: Tensor | None = None,
    ) -> Tensor:
        """The likeliest labels (batch, time), 0 past a sentence's length; see `forward`."""
        return self.choose(self(words, characters, spellings, lengths, columns), lengths)

    @torch.no_grad()
    def choose(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """The likeliest labels (batch, time) given their scores, 0 past a sentence's length."""
        if self.crf is not None:
            return self.crf.decode(scores, lengths)[0]
        return torch.where(mask_of_lengths(lengths, scores.shape[1]), scores.argmax(2), 0)
