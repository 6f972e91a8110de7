"""A linear-chain conditional random field: one score for a whole sequence of labels."""

import numpy as np
import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError, ShapeError
from ostinato.layers.multi_head import mask_of_lengths


class LinearChainCRF(nn.Module):
    """Labels whose probability depends on that of their neighbours.

        score(y) = start[y_1] + sum_t scores[t, y_t] + sum_t transitions[y_t-1, y_t] + end[y_T]
        P(y)     = exp(score(y)) / Z,    Z = sum over all sequences y' of exp(score(y'))

    log Z is found by the forward algorithm in log space, the best sequence by Viterbi's, both in
    time T and exact, each sample at its own length.

    Args:
        label_count: labels to tell apart.

    Raises:
        SettingsError: fewer than one label.

    Example:
        >>> crf = ostinato.LinearChainCRF(3)
        >>> scores, lengths = torch.randn(2, 5, 3), torch.tensor([5, 2])
        >>> labels, best = crf.decode(scores, lengths)
        >>> labels.shape, bool((crf.loss(scores, labels, lengths) >= 0).all())
        (torch.Size([2, 5]), True)

    Source: Lafferty, McCallum and Pereira 2001; Lample et al. 2016, equations 1 to 3.
    """

    def __init__(self, label_count: int) -> None:
        super().__init__()
        if label_count < 1:
            raise SettingsError(f"label_count must be at least 1, got {label_count}")
        self.label_count = label_count
        self.transitions = nn.Parameter(torch.empty(label_count, label_count).uniform_(-0.1, 0.1))
        self.start = nn.Parameter(torch.empty(label_count).uniform_(-0.1, 0.1))
        self.end = nn.Parameter(torch.empty(label_count).uniform_(-0.1, 0.1))

    def loss(self, scores: Tensor, labels: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The negative log-likelihood -log P(y) of each sequence of labels, in nats.

        Args:
            scores: of each label at each step (batch, time, label_count).
            labels: the true ones (batch, time); past a sample's length any will do.
            lengths: integers (batch,), at least 1; None: all steps are real.

        Returns:
            (batch,), none below 0.

        Raises:
            ShapeError: a shape does not fit.
        """
        return self.log_partition(scores, lengths) - self.score(scores, labels, lengths)

    def score(self, scores: Tensor, labels: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The score (batch,) of each sequence of labels; see `loss`."""
        scores, lengths = self._checked(scores, lengths)
        if labels.shape != scores.shape[:2]:
            raise ShapeError(
                f"labels must be (batch, time) {tuple(scores.shape[:2])}, got {tuple(labels.shape)}"
            )
        real = mask_of_lengths(lengths, scores.shape[1])
        labels = torch.where(real, labels, 0)
        of_steps = scores.gather(2, labels.unsqueeze(2)).squeeze(2)
        of_pairs = self.transitions[labels[:, :-1], labels[:, 1:]]
        last = labels.gather(1, (lengths - 1).unsqueeze(1)).squeeze(1)
        return (
            self.start[labels[:, 0]]
            + torch.where(real, of_steps, 0.0).sum(1)
            + torch.where(real[:, 1:], of_pairs, 0.0).sum(1)
            + self.end[last]
        )

    def log_partition(self, scores: Tensor, lengths: Tensor | None = None) -> Tensor:
        """log Z (batch,): the forward algorithm in log space; see `loss`."""
        scores, lengths = self._checked(scores, lengths)
        first, *others = scores.unbind(1)
        forward = self.start + first
        for of_step, real in zip(others, _real_later_steps(scores, lengths), strict=True):
            onward = torch.logsumexp(forward.unsqueeze(2) + self.transitions, 1) + of_step
            forward = onward if real is None else torch.where(real, onward, forward)
        return torch.logsumexp(forward + self.end, 1)

    @torch.no_grad()
    def decode(self, scores: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The likeliest labels of each sample, by Viterbi's algorithm.

        Returns:
            labels (batch, time), 0 past a sample's length, and their score (batch,).

        Raises:
            ShapeError: a shape does not fit.

        Source: Viterbi 1967.
        """
        scores, lengths = self._checked(scores, lengths)
        first, *others = scores.unbind(1)
        best, pointers = self.start + first, [torch.zeros_like(first, dtype=torch.long)]
        for of_step, real in zip(others, _real_later_steps(scores, lengths), strict=True):
            onward, pointer = (best.unsqueeze(2) + self.transitions).max(1)
            onward += of_step
            best = onward if real is None else torch.where(real, onward, best)
            pointers.append(pointer)
        score, last = (best + self.end).max(1)
        labels = _followed_back(torch.stack(pointers), last, lengths)
        return labels.to(scores.device), score

    def marginals(self, scores: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The probability (batch, time, label_count) of each label at each step.

        The derivative of log Z by a score is the probability that its label stands at its step.
        """
        with torch.enable_grad():
            leaf = scores.detach().requires_grad_()
            (probabilities,) = torch.autograd.grad(self.log_partition(leaf, lengths).sum(), leaf)
        return probabilities

    def extra_repr(self) -> str:
        return str(self.label_count)

    def _checked(self, scores: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Scores in at least 32 bits, for sums of many steps need them; and every length."""
        if scores.dim() != 3 or scores.shape[2] != self.label_count or scores.shape[1] < 1:
            raise ShapeError(
                f"scores must be (batch, time, {self.label_count}) with at least one step, got "
                f"{tuple(scores.shape)}"
            )
        batch, time, _ = scores.shape
        if lengths is None:
            lengths = torch.full((batch,), time, device=scores.device)
        lengths = lengths.to(scores.device)
        if lengths.shape != (batch,) or bool(((lengths < 1) | (lengths > time)).any()):
            raise ShapeError(
                f"lengths must be ({batch},), each from 1 to {time} steps, got {lengths.tolist()}"
            )
        wide = scores if scores.dtype == torch.float64 else scores.float()
        return wide, lengths


def _real_later_steps(scores: Tensor, lengths: Tensor) -> list[Tensor | None]:
    """For each step but the first which samples have it (batch, 1); None where all have all."""
    time = scores.shape[1]
    if bool((lengths == time).all()):
        return [None] * (time - 1)
    return list(mask_of_lengths(lengths, time).unsqueeze(2).unbind(1)[1:])


def _followed_back(pointers: Tensor, last: Tensor, lengths: Tensor) -> Tensor:
    """The labels (batch, time) that lead to the last ones, 0 past a sample's length.

    In numpy, for which a step of a few numbers costs a tenth of what it costs in torch.

    Args:
        pointers: for each step and label the best label before it (time, batch, label_count).
        last: the label at each sample's last step (batch,).
        lengths: of each sample (batch,).
    """
    before, chosen = pointers.numpy(force=True), last.numpy(force=True)
    ends, rows = lengths.numpy(force=True), np.arange(len(last))
    labels = np.zeros((len(before), len(rows)), np.int64)
    shortest = ends.min()
    for step in range(len(before) - 1, -1, -1):
        if step < shortest:
            labels[step] = chosen
            chosen = before[step][rows, chosen]
        else:
            real = step < ends
            labels[step] = np.where(real, chosen, 0)
            # Behind a sample's end its last label stands until its own last step is reached.
            chosen = np.where(real, before[step][rows, chosen], chosen)
    return torch.from_numpy(labels.T.copy())
