"""Which tokens would repeat what a hypothesis holds already."""

import torch
from torch import Tensor


def completes_a_repeat(tokens: Tensor, n: int, vocabulary_size: int) -> Tensor:
    """Where a token would complete an n-gram that is there already.

    Args:
        tokens: (rows, steps), what each row holds so far.
        n: tokens of an n-gram, at least 1.
        vocabulary_size: of the mask.

    Returns:
        Booleans (rows, vocabulary), True where the token would be a repeat.

    Example:
        >>> completes_a_repeat(torch.tensor([[0, 1, 2, 0]]), 2, 3)  # after 0 came 1
        tensor([[False,  True, False]])
    """
    rows, steps = tokens.shape
    mask = torch.zeros(rows, vocabulary_size, dtype=torch.bool, device=tokens.device)
    if steps < n:
        return mask
    grams = tokens.unfold(1, n, 1)
    ending = tokens[:, steps - n + 1 :]
    row, place = (grams[:, :, :-1] == ending.unsqueeze(1)).all(-1).nonzero(as_tuple=True)
    mask[row, grams[row, place, -1]] = True
    return mask
