"""Cuts text that comes in pieces into documents: files, lines or paragraphs."""

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from ostinato.data.text_cuts import last_cut

DocumentKind = Literal["file", "line", "paragraph"]

# What the boundary between two documents stands for in the text.
BOUNDARY_TEXT: dict[DocumentKind, str] = {"file": "", "line": "\n", "paragraph": "\n\n"}

_PARAGRAPH_BOUNDARY = re.compile(r"\n(?:[^\S\n]*\n)+")
_LONG_DOCUMENT = 1 << 20


class Piece(NamedTuple):
    """Some text: the first of `texts` continues a document left open by the piece before.

    Every text but the last ends its document; the last does if `closed`.
    """

    texts: list[str]
    closed: bool


def file_pieces(chunks: Iterable[str]) -> Iterator[Piece]:
    """One file as one document."""
    for chunk in chunks:
        yield Piece([chunk], closed=False)
    yield Piece([""], closed=True)


def line_pieces(chunks: Iterable[str]) -> Iterator[Piece]:
    """One document a line; lines with nothing but white space are none."""
    yield from _separated(chunks, re.compile(r"\r?\n"), held="\r")


def paragraph_pieces(chunks: Iterable[str]) -> Iterator[Piece]:
    """One document a paragraph: paragraphs are separated by lines with nothing but white space."""
    yield from _separated(chunks, _PARAGRAPH_BOUNDARY, held=" \t\r\n\v\f")


def between_words(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same text with every open piece ending where words may be cut."""
    waiting = ""
    for texts, closed in pieces:
        texts = [waiting + texts[0], *texts[1:]]
        waiting = ""
        if not closed:
            cut = last_cut(texts[-1])
            waiting, texts[-1] = texts[-1][cut:], texts[-1][:cut]
        yield Piece(texts, closed)


def _separated(chunks: Iterable[str], boundary: re.Pattern[str], held: str) -> Iterator[Piece]:
    """Documents between boundaries; only a very long one is given out before it is complete.

    `held` are the characters at the end of a chunk that may be the beginning of a boundary.
    """
    waiting, is_open = "", False
    for chunk in chunks:
        *texts, waiting = boundary.split(waiting + chunk)
        if texts:
            yield from _closed(texts, is_open)
            is_open = False
        ready = waiting.rstrip(held)
        if len(ready) > _LONG_DOCUMENT:
            yield Piece([ready], closed=False)
            waiting, is_open = waiting[len(ready) :], True
    yield from _closed([waiting.rstrip("\n\r")], is_open)


def _closed(texts: list[str], continues: bool) -> Iterator[Piece]:
    kept = [text for place, text in enumerate(texts) if text.strip() or (continues and not place)]
    if kept:
        yield Piece(kept, closed=True)
