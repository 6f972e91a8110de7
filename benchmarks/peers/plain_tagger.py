"""A tagger as one writes it in plain torch: padded batches, a packed LSTM, pytorch-crf."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader

Sample = tuple[Tensor, Tensor]


class PlainTagger(nn.Module):
    """Words, an LSTM both ways, and a conditional random field.

    Args:
        words, size, hidden_size, labels: sizes.
        crf: the field, of pytorch-crf; None: each label is chosen by itself.
    """

    def __init__(
        self, words: int, size: int, hidden_size: int, labels: int, crf: nn.Module | None
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, size)
        self.lstm = nn.LSTM(size, hidden_size, batch_first=True, bidirectional=True)
        self.output = nn.Linear(2 * hidden_size, labels)
        self.crf = crf

    def scores(self, words: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(
            self.embedding(words), lengths, batch_first=True, enforce_sorted=False
        )
        return self.output(pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0])

    def loss(self, words: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        """Of all tokens of a batch together."""
        scores = self.scores(words, lengths)
        mask = torch.arange(words.shape[1]) < lengths[:, None]
        if self.crf is None:
            return F.cross_entropy(scores[mask], labels[mask], reduction="sum")
        return -self.crf(scores, labels, mask, reduction="sum")

    @torch.no_grad()
    def tag(self, words: Tensor) -> list[int]:
        """The labels of one sentence; words are (time,)."""
        scores = self.output(self.lstm(self.embedding(words[None]))[0])
        if self.crf is None:
            return scores[0].argmax(1).tolist()
        return self.crf.decode(scores)[0]  # pyright: ignore[reportCallIssue]


def collate(samples: list[Sample]) -> tuple[Tensor, Tensor, Tensor]:
    """Padded words, labels and lengths."""
    words, labels = zip(*samples, strict=True)
    lengths = torch.tensor([len(one) for one in words])
    return pad_sequence(words, batch_first=True), pad_sequence(labels, batch_first=True), lengths


def train_an_epoch(
    model: PlainTagger, optimiser: torch.optim.Optimizer, samples: list[Sample], batch: int
) -> None:
    """One pass over the samples, as tutorials write it."""
    model.train()
    for words, labels, lengths in DataLoader(samples, batch, shuffle=True, collate_fn=collate):  # pyright: ignore[reportArgumentType]
        loss = model.loss(words, labels, lengths) / lengths.sum()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        loss.item()
