"""Cuts text that comes in pieces into documents: files, lines or paragraphs."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ostinato.data.text_cuts import last_cut
from ostinato.errors import SettingsError

DocumentKind = Literal["file", "line", "paragraph"]

# What the boundary between two documents stands for in the text.
BOUNDARY_TEXT: dict[DocumentKind, str] = {"file": "", "line": "\n", "paragraph": "\n\n"}

_PARAGRAPH_BOUNDARY = re.compile(r"\n(?:[^\S\n]*\n)+")
_LONG_DOCUMENT = 1 << 20


@dataclass(frozen=True)
class TextReading:
    """How texts are read.

    Args:
        document: What is one document: a whole file, a line, or a paragraph (up to an empty line).
        replace_bad_bytes: Bytes that are no UTF-8 become U+FFFD instead of an error.

    Raises:
        SettingsError: Another kind of document.
    """

    document: DocumentKind = "file"
    replace_bad_bytes: bool = False

    def __post_init__(self) -> None:
        if self.document not in BOUNDARY_TEXT:
            raise SettingsError(
                f"a document is a file, a line or a paragraph, not {self.document!r}"
            )


class Piece(NamedTuple):
    """Some text: the first of `texts` continues a document left open by the piece before.

    Every text but the last ends its document; the last does if `closed`.
    """

    texts: list[str]
    closed: bool


def document_pieces(chunks: Iterable[str], document: DocumentKind) -> Iterator[Piece]:
    """The documents of one file that comes in chunks of text."""
    if document == "line":
        return line_pieces(chunks)
    if document == "paragraph":
        return paragraph_pieces(chunks)
    return file_pieces(chunks)


def file_pieces(chunks: Iterable[str]) -> Iterator[Piece]:
    """One file as one document."""
    for chunk in chunks:
        yield Piece([chunk], closed=False)
    yield Piece([""], closed=True)


def line_pieces(chunks: Iterable[str]) -> Iterator[Piece]:
    """One document a line; lines with nothing but white space are none."""
    yield from _separated(chunks, _lines, held="\r", before="")


def paragraph_pieces(chunks: Iterable[str]) -> Iterator[Piece]:
    """One document a paragraph: paragraphs are separated by lines with nothing but white space."""
    yield from _separated(chunks, _PARAGRAPH_BOUNDARY.split, held=" \t\r\n\v\f", before="\n\n")


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


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").split("\n")


def _separated(
    chunks: Iterable[str], divide: Callable[[str], list[str]], held: str, before: str
) -> Iterator[Piece]:
    """Documents as `divide` finds them; only a very long one is given out before it is complete.

    `held` are the characters at the end of a chunk that may be part of a boundary; `before` is put
    before the text, so that what begins it is told from a boundary's rest.
    """
    waiting, is_open = before, False
    for chunk in chunks:
        text = waiting + chunk
        settled = text.rstrip(held)
        *texts, waiting = divide(settled)
        waiting += text[len(settled) :]
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
