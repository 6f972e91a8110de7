"""Small corpora and parts for the tests of this folder."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from ostinato.data import TokenPart
from ostinato.data.token_part import PartRecord

END = 0


@pytest.fixture(scope="session")
def part_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., TokenPart]:
    """Writes documents, lists of token indices above 0, as a part with boundary 0."""

    def write(documents: Sequence[Sequence[int]], counts_ends: bool = True) -> TokenPart:
        folder = tmp_path_factory.mktemp("part")
        tokens = [END]
        for document in documents:
            tokens += [*document, END]
        array = np.array(tokens, dtype=np.uint16)
        array.tofile(folder / "train.tokens")
        np.flatnonzero(array == END).astype(np.int64).tofile(folder / "train.documents")
        record = PartRecord(
            tokens=len(tokens),
            documents=len(documents),
            characters=0,
            bytes=0,
            unknown_tokens=0,
            dtype="uint16",
            end_index=END,
            counts_ends=counts_ends,
        )
        return TokenPart("train", folder, record, "train.txt")

    return write


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are read five bytes at a time, so that every construct is cut somewhere."""
    monkeypatch.setattr("ostinato.data.text_reading._CHUNK_BYTES", 5)
