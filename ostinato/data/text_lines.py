"""Reads a text line by line, and says which line is no UTF-8."""

import sys
from collections.abc import Iterator

from ostinato.data.text_reading import Meter, read_bytes
from ostinato.data.text_sources import TextSource
from ostinato.errors import DataError


def read_lines(source: TextSource, meter: Meter) -> Iterator[str]:
    """The lines of a text without their ends; a byte order mark is no part of it.

    Raises:
        DataError: a line that is no UTF-8.
    """
    for number, raw in enumerate(_raw_lines(source, meter), start=1):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{source.name}, line {number} is not UTF-8: byte 0x{raw[error.start]:02x} at "
                f"place {error.start + 1} of the line ({error.reason}); convert the file to UTF-8"
            ) from None
        line = line.removesuffix("\r")
        yield line.removeprefix("\ufeff") if number == 1 else line


def lines_of_stdin(purpose: str = "read") -> Iterator[str]:
    """The lines of standard input without their ends, as they come; a byte order mark is no part.

    Args:
        purpose: what they are for.

    Raises:
        DataError: it is closed, or a line is no UTF-8.
    """
    if sys.stdin is None:
        raise DataError(f"there is nothing to {purpose}: standard input is closed")
    for number, raw in enumerate(sys.stdin.buffer, start=1):
        try:
            line = raw.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise DataError(f"standard input, line {number} is not UTF-8") from None
        yield line.removeprefix("\ufeff") if number == 1 else line


def _raw_lines(source: TextSource, meter: Meter) -> Iterator[bytes]:
    waiting = b""
    for chunk in read_bytes(source, meter):
        *lines, waiting = (waiting + chunk).split(b"\n")
        yield from lines
    if waiting:
        yield waiting
