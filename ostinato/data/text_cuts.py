"""Where running text may be cut without changing how its words are tokenised.

A cut lies before a single space between two words, or behind a single newline between two words.
There, tokenising both sides apart gives what tokenising the whole does, by words and by byte-level
BPE (whose words carry the space before them).
"""

import re
from collections.abc import Iterator

_CUT = re.compile(r"(?<=\S)(?= \S)|(?<=\S\n)(?=\S)")
# A text without a cut for this long is cut anywhere, so that memory stays bounded.
LONGEST_WORD = 1_000_000
_TAIL = 2_000


def first_cut(text: str, start: int) -> int | None:
    """The first cut at or behind `start`, or None."""
    found = _CUT.search(text, start)
    return found.start() if found else None


def last_cut(text: str) -> int:
    """The last cut of `text`, 0 if it has none; its end if it is too long to be one word."""
    # Searching the tail first spares reading the whole text again for its last few words.
    for tail in (max(len(text) - _TAIL, 0), 0):
        cuts = [found.start() for found in _CUT.finditer(text, tail)]
        if cuts:
            return cuts[-1]
    return len(text) if len(text) > LONGEST_WORD else 0


def pieces_of(text: str, length: int) -> Iterator[str]:
    """`text` in pieces of about `length` characters, cut only where it may be."""
    start = 0
    while start < len(text):
        stop = first_cut(text, start + length) or len(text)
        yield text[start:stop]
        start = stop
