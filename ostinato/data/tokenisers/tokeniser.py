"""What every tokeniser offers: text to indices and back, and itself as JSON."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

FILE_NAME = "tokeniser.json"
FORMAT = 1


class StreamDecoder(Protocol):
    """Turns indices into text as they come, for printing while generating."""

    def feed(self, index: int) -> str:
        """The text that this token completes; may be empty."""
        ...

    def finish(self) -> str:
        """The text that is left when nothing more comes."""
        ...


class Tokeniser(ABC):
    """Text to indices and back.

    One index, `end_index`, marks the boundary of documents: no text is ever encoded to it, and it
    decodes to nothing. `unknown_index` stands for what the vocabulary lacks; None where it lacks
    nothing.
    """

    kind: ClassVar[str]
    # Whether encode(a) + encode(b) == encode(a + b) for every cut; if not, text is cut between
    # words.
    cuts_anywhere: ClassVar[bool]

    @property
    @abstractmethod
    def vocabulary_size(self) -> int:
        """How many indices there are, `end_index` and `unknown_index` included."""

    @property
    @abstractmethod
    def end_index(self) -> int:
        """The boundary of documents."""

    @property
    @abstractmethod
    def unknown_index(self) -> int | None:
        """What stands for anything that the vocabulary lacks."""

    @abstractmethod
    def encode_array(self, text: str) -> NDArray[Any]:
        """The indices of `text` as an array of unsigned integers (time,)."""

    @abstractmethod
    def decode(self, indices: Iterable[int]) -> str:
        """The text of `indices`."""

    @abstractmethod
    def stream_decoder(self) -> StreamDecoder:
        """A decoder for one text that comes token by token."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """All that `from_json` needs, in JSON's types."""

    @classmethod
    @abstractmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """The tokeniser that `to_json` described."""

    def encode(self, text: str) -> list[int]:
        """The indices of `text`."""
        return self.encode_array(text).tolist()

    @abstractmethod
    def encode_documents(self, texts: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The indices of several texts one after the other, and how many belong to each."""

    @property
    def dtype(self) -> np.dtype:
        """The smallest unsigned integer type that holds every index."""
        return np.min_scalar_type(self.vocabulary_size - 1)

    def serialised(self) -> str:
        """This tokeniser as JSON text, the same for the same tokeniser."""
        content = {"format": FORMAT, "kind": self.kind, **self.to_json()}
        return json.dumps(content, sort_keys=True, indent=1)

    def save(self, folder: Path) -> None:
        """Writes `tokeniser.json` into an existing folder."""
        (folder / FILE_NAME).write_text(self.serialised() + "\n", encoding="utf-8")
