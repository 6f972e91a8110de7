"""Running text as tokens: words, and each punctuation mark by itself."""

import re
from collections.abc import Iterable, Iterator

from ostinato.data.tagging.sentences import Sentence

# A word goes on over an apostrophe, hyphen, point or comma that stands between two letters or
# digits (don't, e-mail, 3.14); several points are one mark; any other sign is one by itself.
_TOKEN = re.compile(r"\w+(?:[.,'’·\-]\w+)*|\.{2,}|[^\w\s]")


def words_of(line: str) -> list[str]:
    """The tokens of a line of running text.

    Example:
        >>> words_of("It's 3.5 km (about)...")
        ["It's", '3.5', 'km', '(', 'about', ')', '...']
    """
    return _TOKEN.findall(line)


def sentences_of_text(lines: Iterable[str], *, pretokenised: bool = False) -> Iterator[Sentence]:
    """A sentence a line; lines without a token are passed over.

    Args:
        lines: without their ends.
        pretokenised: tokens stand between white space, as they are.
    """
    for number, line in enumerate(lines, start=1):
        tokens = line.split() if pretokenised else words_of(line)
        if tokens:
            yield Sentence(tuple(tokens), (), (number,) * len(tokens))
