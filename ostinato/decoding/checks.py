"""What the scores of a next-step function must be before a token is taken."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ostinato.errors import SettingsError, TrainingError


def refuse_what_is_no_number(log_probabilities: Tensor) -> None:
    """Raise TrainingError where NaN is the likeliest of a row, or no token has any chance."""
    if not bool(log_probabilities.amax(-1).isfinite().all()):
        raise TrainingError(
            "the model's probabilities are no numbers, so that nothing can be drawn: its training "
            "diverged; train again with a smaller learning rate, or clip the gradient (clip_norm)"
        )


def forbidden_mask(forbidden: Sequence[int], log_probabilities: Tensor) -> Tensor:
    """Booleans (vocabulary,), True where a token is forbidden.

    Raises:
        SettingsError: tokens that are not in the vocabulary, or all of them.
    """
    vocabulary_size = log_probabilities.shape[-1]
    unknown = [index for index in forbidden if not 0 <= index < vocabulary_size]
    if unknown:
        raise SettingsError(
            f"forbidden tokens must be from 0 to {vocabulary_size - 1}, got {unknown[0]}"
        )
    mask = torch.zeros(vocabulary_size, dtype=torch.bool, device=log_probabilities.device)
    mask[list(forbidden)] = True
    if mask.all():
        raise SettingsError(
            f"all {vocabulary_size} tokens are forbidden, so that none can be drawn: allow one"
        )
    return mask
