"""The loss of a target token, with a share of the truth spread over the vocabulary."""

from torch import Tensor


def smoothed_losses(
    log_probabilities: Tensor, targets: Tensor, smoothing: float, vocabulary_size: int
) -> Tensor:
    """Cross-entropy against a mixture of the target and, by `smoothing`, the uniform distribution.

        loss = (1 - e) (-log p_target) + e / V sum_v (-log p_v)

    Args:
        log_probabilities: (batch, time, vocabulary or more).
        targets: integers (batch, time).
        smoothing: e.
        vocabulary_size: V, the tokens that the uniform distribution is over: the first ones.

    Returns:
        (batch, time), in nats.

    Source: Szegedy et al. 2016, section 7.
    """
    true = -log_probabilities.gather(-1, targets.long().unsqueeze(-1)).squeeze(-1)
    if not smoothing:
        return true
    uniform = -log_probabilities[..., :vocabulary_size].mean(-1)
    return (1 - smoothing) * true + smoothing * uniform
