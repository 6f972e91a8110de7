"""The highest of many scores, where equal ones always come in the same order."""

from torch import Tensor


def highest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The highest scores of each row, highest first; of equals the lowest index.

    `torch.topk` leaves open which of equal scores it takes and in which order it gives them.

    Args:
        scores: (rows, candidates), no NaN.
        count: how many, at most as many as there are candidates.

    Returns:
        The scores and their indices, each (rows, count).

    Example:
        >>> highest(torch.tensor([[1.0, 2.0, 1.0, 2.0]]), 3)[1]
        tensor([[1, 3, 0]])
    """
    if count == 1:  # argmax promises the first of equals.
        indices = scores.argmax(-1, keepdim=True)
        return scores.gather(-1, indices), indices
    values, indices = scores.topk(min(count + 1, scores.shape[-1]), -1)
    tied = (values[:, count - 1 : count] == values[:, count:]).any(-1)
    indices = indices[:, :count]
    if bool(tied.any()):  # The last to be taken is as high as the first to be left.
        ordered = scores[tied].sort(dim=-1, descending=True, stable=True).indices
        indices[tied] = ordered[:, :count]
    indices = indices.sort(-1).values
    values, order = scores.gather(-1, indices).sort(dim=-1, descending=True, stable=True)
    return values, indices.gather(-1, order)
