"""Reads texts in pieces: bytes from plain files and gzip, characters from UTF-8."""

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import IO, NamedTuple, final

from ostinato.data.text_sources import TextSource
from ostinato.errors import DataError

Progress = Callable[[int, int, str], None]

_CHUNK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"


@final
class Meter:
    """Announces how far a pass over some texts has come, in bytes on disk.

    Args:
        progress: Is called with the bytes done, the bytes in all, and `what`; None = nobody
            listens.
        sources: What the pass reads.
        what: The work, in a word or two.
    """

    def __init__(self, progress: Progress | None, sources: Sequence[TextSource], what: str) -> None:
        self._progress = progress
        self._total = sum(source.path.stat().st_size for source in sources)
        self._what = what
        self._done = 0

    def add(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(min(self._done, self._total), self._total, self._what)


def read_bytes(source: TextSource, meter: Meter) -> Iterator[bytes]:
    """The content in pieces, unpacked where it begins as gzip does (no UTF-8 text can).

    Raises:
        DataError: The file cannot be read, or is damaged gzip.
    """
    try:
        with source.path.open("rb") as raw:
            packed = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            raw.seek(0)
            content = gzip.GzipFile(fileobj=raw) if packed else raw
            yield from _pieces(content, raw, meter)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{source.name} is damaged or cut-off gzip: {error}") from error
    except OSError as error:
        raise DataError(f"{source.name} cannot be read: {error.strerror or error}") from error


def read_text(source: TextSource, replace_bad_bytes: bool, meter: Meter) -> Iterator[str]:
    """The content in pieces of text; a byte order mark at the start is no part of it.

    Args:
        source: The text.
        replace_bad_bytes: Bytes that are no UTF-8 become U+FFFD instead of an error.
        meter: Is told of the bytes read.

    Raises:
        DataError: A byte that is no UTF-8, named with its place in the (unpacked) file.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace" if replace_bad_bytes else "strict")
    done = 0
    for raw in _with_end(read_bytes(source, meter)):
        waiting, _ = decoder.getstate()
        try:
            text = decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            raise _bad_byte(source, error, done - len(waiting)) from None
        yield text if done else text.removeprefix("\ufeff")
        done += len(raw)


class Content(NamedTuple):
    """What a text holds once unpacked: SHA-256 in hexadecimal digits, and the number of bytes.

    `modified_ns` is the file's own time of the last change, when reading began.
    """

    sha256: str
    size: int
    modified_ns: int


def content_of(source: TextSource, meter: Meter) -> Content:
    """Reads a text once to know it again."""
    sha256, size, modified = hashlib.sha256(), 0, modified_ns(source)
    for raw in read_bytes(source, meter):
        sha256.update(raw)
        size += len(raw)
    return Content(sha256.hexdigest(), size, modified)


def modified_ns(source: TextSource) -> int:
    """When the file was last written to, in nanoseconds."""
    return source.path.stat().st_mtime_ns


def _pieces(content: IO[bytes] | gzip.GzipFile, raw: IO[bytes], meter: Meter) -> Iterator[bytes]:
    before = 0
    while piece := content.read(_CHUNK_BYTES):
        meter.add(raw.tell() - before)
        before = raw.tell()
        yield piece


def _with_end(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Adds an empty piece, at which a decoder reports a character that was cut off."""
    yield from pieces
    yield b""


def _bad_byte(source: TextSource, error: UnicodeDecodeError, offset_of_object: int) -> DataError:
    offset = offset_of_object + error.start
    return DataError(
        f"{source.name} is not UTF-8: byte 0x{error.object[error.start]:02x} at offset {offset} "
        f"({error.reason}); convert the file to UTF-8, or read such bytes as the replacement "
        "character U+FFFD with --replace-bad-bytes (replace_bad_bytes=True)"
    )
