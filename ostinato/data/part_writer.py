"""Writes the documents of one part as tokens, piece by piece."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.data.documents import Piece
from ostinato.data.tokenisers.tokeniser import Tokeniser


class PartTotals(NamedTuple):
    """What one part holds; `tokens` with its boundaries, `characters` and `bytes` without."""

    tokens: int
    documents: int
    characters: int
    bytes: int
    unknown_tokens: int


def write_part(
    pieces: Iterable[Piece], tokeniser: Tokeniser, folder: Path, name: str
) -> PartTotals:
    """Writes a part as `<name>.tokens` and the places of its boundaries as `<name>.documents`.

    Args:
        pieces: The part's documents, open ones cut where the tokeniser allows it.
        tokeniser: Encodes them.
        folder: An existing folder.
        name: The part.
    """
    totals = PartTotals(0, 0, 0, 0, 0)
    with (
        (folder / f"{name}.tokens").open("wb") as tokens_file,
        (folder / f"{name}.documents").open("wb") as documents_file,
    ):
        opening = np.array([tokeniser.end_index], dtype=tokeniser.dtype)
        totals = _append(opening, totals, tokens_file, documents_file, tokeniser)
        for piece in pieces:
            tokens = _encode(piece, tokeniser)
            totals = _append(tokens, totals, tokens_file, documents_file, tokeniser)
            totals = totals._replace(
                documents=totals.documents + len(piece.texts) - (not piece.closed),
                characters=totals.characters + sum(map(len, piece.texts)),
                bytes=totals.bytes + sum(len(text.encode()) for text in piece.texts),
            )
        _flush(tokens_file)
        _flush(documents_file)
    return totals


def _encode(piece: Piece, tokeniser: Tokeniser) -> NDArray[Any]:
    """The tokens of a piece with a boundary behind each document that ends in it."""
    tokens, counts = tokeniser.encode_documents(piece.texts)
    ends = np.cumsum(counts) if piece.closed else np.cumsum(counts)[:-1]
    return np.insert(tokens, ends, tokeniser.end_index)


def _append(
    tokens: NDArray[Any],
    totals: PartTotals,
    tokens_file: IO[bytes],
    documents_file: IO[bytes],
    tokeniser: Tokeniser,
) -> PartTotals:
    boundaries = np.flatnonzero(tokens == tokeniser.end_index) + totals.tokens
    documents_file.write(boundaries.astype("<i8").tobytes())
    tokens_file.write(tokens.astype(tokeniser.dtype.newbyteorder("<"), copy=False).tobytes())
    unknown = tokeniser.unknown_index
    missed = 0 if unknown is None else int(np.count_nonzero(tokens == unknown))
    return totals._replace(
        tokens=totals.tokens + len(tokens), unknown_tokens=totals.unknown_tokens + missed
    )


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
