"""A classifier of series as one writes it in plain torch: a DataLoader that pads, an LSTM."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader

Sample = tuple[Tensor, int]


class PlainClassifier(nn.Module):
    """The last state of an LSTM, one way or both, and a linear map.

    Args:
        features, hidden_size, classes: sizes.
        both: whether it reads both ways.
        packed: whether samples are packed; else padding is read, too, and the state of each last
            step is gathered, which is only right one way.
    """

    def __init__(
        self, features: int, hidden_size: int, classes: int, *, both: bool, packed: bool = True
    ) -> None:
        super().__init__()
        assert packed or not both
        self.packed = packed
        self.lstm = nn.LSTM(features, hidden_size, batch_first=True, bidirectional=both)
        self.output = nn.Linear((2 if both else 1) * hidden_size, classes)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        if not self.packed:
            outputs, _ = self.lstm(inputs)
            return self.output(outputs[torch.arange(len(lengths)), lengths - 1])
        packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        _, (hidden, _) = self.lstm(packed)
        return self.output(hidden.transpose(0, 1).flatten(1))


def collate(samples: list[Sample]) -> tuple[Tensor, Tensor, Tensor]:
    """Padded inputs, lengths and classes."""
    series, classes = zip(*samples, strict=True)
    lengths = torch.tensor([len(one) for one in series])
    return pad_sequence(list(series), batch_first=True), lengths, torch.tensor(classes)


def train_an_epoch(
    model: PlainClassifier, optimiser: torch.optim.Optimizer, samples: list[Sample], batch: int
) -> None:
    """One pass over the samples, as tutorials write it."""
    model.train()
    for inputs, lengths, classes in DataLoader(samples, batch, shuffle=True, collate_fn=collate):  # pyright: ignore[reportArgumentType]
        loss = F.cross_entropy(model(inputs, lengths), classes)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        loss.item()


class PlainStream:
    """One sample that is still coming: `nn.LSTM` step by step, its state kept."""

    def __init__(self, model: PlainClassifier) -> None:
        self.model = model.eval()
        self.state: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def feed(self, step: list[float]) -> list[float]:
        """The probability of each class after one more step."""
        inputs = torch.tensor(step).view(1, 1, -1)
        outputs, self.state = self.model.lstm(inputs, self.state)
        return self.model.output(outputs[0, 0]).softmax(0).tolist()
