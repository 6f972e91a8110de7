"""Copying from the source beside writing from the vocabulary (See 2017)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.models.sequence_memory import DecoderStep


class PointerGenerator(nn.Module):
    """A mixture of the vocabulary's distribution and the attention over the source's tokens.

        p_gen = sigmoid(w_c . context_t + w_h . H_t + w_x . E_t + b)
        P(w)  = p_gen P_vocabulary(w) + (1 - p_gen) sum over source positions of w of weights_t

    Where the weights add up to less than 1, as under a Gaussian window, the vocabulary has the
    rest.

    Args:
        context_size, hidden_size, embedding_size: features of context, H_t and E_t.
        extra_tokens: tokens beyond the vocabulary that a sentence's source may hold and that can
            be copied, numbered from the vocabulary's size on.

    Source: See, Liu and Manning 2017, equations 8 and 9.
    """

    def __init__(
        self, context_size: int, hidden_size: int, embedding_size: int, *, extra_tokens: int = 0
    ) -> None:
        super().__init__()
        self.extra_tokens = extra_tokens
        self.switch = nn.Linear(context_size + hidden_size + embedding_size, 1)

    def forward(self, log_probabilities: Tensor, step: DecoderStep, copied: Tensor) -> Tensor:
        """The mixture's log-probabilities.

        Args:
            log_probabilities: (..., vocabulary), of the vocabulary alone.
            step: with weights (..., source time).
            copied: integers (batch, source time), each position's token; the first axis of `...`
                is the batch, or k rows for each sample of it.

        Returns:
            (..., vocabulary + extra_tokens).
        """
        seen = torch.cat([step.context, step.hidden, step.embedded], -1)
        generate = torch.sigmoid(self.switch(seen)).to(log_probabilities.dtype)
        weights = step.weights.to(log_probabilities.dtype)
        rest = (1 - weights.sum(-1, keepdim=True)).clamp_min(0)
        tiny = torch.finfo(log_probabilities.dtype).tiny
        written = log_probabilities + (generate + (1 - generate) * rest).clamp_min(tiny).log()
        lowest = torch.finfo(log_probabilities.dtype).min
        written = F.pad(written, (0, self.extra_tokens), value=lowest)
        copies = _add_up((1 - generate) * weights, copied, written.shape[-1])
        return torch.logaddexp(written, copies.clamp_min(tiny).log())


def _add_up(weights: Tensor, copied: Tensor, width: int) -> Tensor:
    """(..., width): for each token the weights of the positions where it stands."""
    many = weights.reshape(copied.shape[0], -1, copied.shape[1])
    places = copied.unsqueeze(1).expand(many.shape)
    sums = many.new_zeros(*many.shape[:2], width).scatter_add(2, places, many)
    return sums.view(*weights.shape[:-1], width)
