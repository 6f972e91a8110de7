"""What a model that copies may take from a source: words that its vocabulary lacks get a number.

A source's own words, those that the target's vocabulary does not know, are numbered from the
vocabulary's size on, in the order in which the source has them: the same number is another word in
another sentence. An unknown word of the target that the source has is that number, too, so that to
copy it is what is learnt (See, Liu and Manning 2017, section 2.2).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.data.line_codec import LineCodec


class CopiedTokens(NamedTuple):
    """Each position of some sources as a token of the target.

    Attributes:
        tokens: of all sources, one after the other, as many as the sources' own tokens.
        words: for each source its own words; word k is the token vocabulary_size + k.
    """

    tokens: NDArray[np.int64]
    words: list[list[str]]


def copied_tokens(target: LineCodec, sources: Sequence[str], extra_tokens: int) -> CopiedTokens:
    """What each position of the sources is among the target's tokens.

    Args:
        target: the codec of the target; the source's cuts a line at the same places.
        sources: lines.
        extra_tokens: own words a source may have; what comes after them stays unknown.

    Example:
        >>> codec = LineCodec(ostinato.data.WordTokeniser(["a"]))  # after three tokens of its own
        >>> copied_tokens(codec, ["a Zoe Max Zoe"], 1)
        CopiedTokens(tokens=array([3, 4, 1, 4]), words=[['Zoe']])
    """
    encoded, lengths = target.encode(sources)
    tokens = encoded.astype(np.int64)
    words: list[list[str]] = [[] for _ in sources]
    for place, line, word in _unknown(target, tokens, lengths, sources):
        own = words[line]
        if word not in own and len(own) < extra_tokens:
            own.append(word)
        if word in own:
            tokens[place] = target.vocabulary_size + own.index(word)
    return CopiedTokens(tokens, words)


def with_copied(
    target: LineCodec, lines: Sequence[str], words: Sequence[Sequence[str]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Targets as tokens, their unknown words as their sources' own; and how many each line has.

    Args:
        target: the codec.
        lines: the targets.
        words: for each the own words of its source.
    """
    encoded, lengths = target.encode(lines)
    tokens = encoded.astype(np.int64)
    for place, line, word in _unknown(target, tokens, lengths, lines):
        if word in words[line]:
            tokens[place] = target.vocabulary_size + words[line].index(word)
    return tokens, lengths


def pieces_with_copied(target: LineCodec, tokens: Sequence[int], words: Sequence[str]) -> list[str]:
    """Each token as text; a number that is none of the source's own words is the unknown token."""
    size = target.vocabulary_size
    unknown = target.tokeniser.unknown_index
    known = [token if token < size or unknown is None else unknown for token in tokens]
    pieces = target.pieces(known)
    for place, token in enumerate(tokens):
        if size <= token < size + len(words):
            pieces[place] = words[token - size]
    return pieces


def _unknown(
    target: LineCodec,
    tokens: NDArray[np.int64],
    lengths: NDArray[np.int64],
    lines: Sequence[str],
) -> Iterator[tuple[int, int, str]]:
    """The place, the line and the text of each unknown token."""
    starts = lengths.cumsum() - lengths
    places = np.flatnonzero(tokens == target.tokeniser.unknown_index)
    numbers = np.searchsorted(starts + lengths, places, "right")
    for place, number in zip(map(int, places), map(int, numbers), strict=True):
        yield place, number, target.cut(lines[number])[place - starts[number]]
