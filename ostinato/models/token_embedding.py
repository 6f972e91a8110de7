"""The features of tokens that an encoder and a decoder begin with."""

from torch import nn

_DEVIATION = 0.2
"""Of a feature, at first. What a recurrent layer makes of much smaller ones hardly depends on the
token, so that attention, whose scores are products of two such states, sees all places alike for
hundreds of updates. Much larger ones are slow to change, and tell rare tokens apart by chance."""


def token_embedding(vocabulary_size: int, embedding_size: int) -> nn.Embedding:
    """An embedding with features drawn from a normal distribution about 0.

    Example:
        >>> round(token_embedding(5000, 64).weight.std().item(), 2)
        0.2
    """
    embedding = nn.Embedding(vocabulary_size, embedding_size)
    nn.init.normal_(embedding.weight, std=_DEVIATION)
    return embedding
