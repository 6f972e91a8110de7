"""What every score function is: how well a query goes with each key."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from ostinato.cells import check_size
from ostinato.errors import SettingsError


class ScoreFunction(nn.Module, ABC):
    """How well each query goes with each key; higher is better. The weights are its softmax.

    What depends on the keys alone stands in `project_keys`, done once a sentence.

    Args:
        query_size: features of a query.
        key_size: features of a key.
    """

    name: str = ""

    def __init__(self, query_size: int, key_size: int) -> None:
        super().__init__()
        check_size("query_size", query_size)
        check_size("key_size", key_size)
        self.query_size = query_size
        self.key_size = key_size

    def project_keys(self, keys: Tensor) -> Tensor:
        """The part that needs no query: (batch, source time, key_size) to any size."""
        return keys

    def usable(self, mask: Tensor) -> Tensor:
        """Which of the positions that are to be used (batch, source time) can be used."""
        return mask

    @abstractmethod
    def forward(self, query: Tensor, keys: Tensor, coverage: Any = None) -> Tensor:
        """The scores.

        Args:
            query: (batch, steps, query_size).
            keys: what `project_keys` gave.
            coverage: (batch, steps, source time), for the score functions that read it; else None.

        Returns:
            (batch, steps, source time).
        """

    def extra_repr(self) -> str:
        return f"{self.query_size}, {self.key_size}"


def check_equal_sizes(name: str, query_size: int, key_size: int) -> None:
    """Raise SettingsError unless query and key have equally many features."""
    if query_size != key_size:
        raise SettingsError(
            f"the {name} score multiplies query and key feature by feature, but a query has "
            f"{query_size} features and a key {key_size}: make them equal, or use the general "
            "score, which has a matrix between them"
        )
