"""Tagged sentences as numbers: what training or validation reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.data.pair_part import RaggedTokens
from ostinato.data.tagging.codec import TagCodec
from ostinato.data.tagging.sentences import Sentence, TaggedText

UNSEEN = -1
"""In place of a label that never occurs in training."""


class UnseenLabels(NamedTuple):
    """Labels of a text that a tagger cannot know.

    Attributes:
        label, line: the first, and where it stands; None and 0 where there is none.
        tokens: how many tokens have such a label.
    """

    label: str | None
    line: int
    tokens: int


@dataclass(frozen=True)
class TaggedPart:
    """Sentences as numbers.

    Attributes:
        words: indices of the tokens' words.
        spellings: of each token, which of `characters` is its own; from 1, 0 is padding's.
        characters: (spellings, characters), the indices of each distinct token, 0 behind its end.
        labels: indices of the labels, `UNSEEN` where one is not known; 0 where the text has none.
        lines: the line where each sentence begins.
        name: the file, for messages.
        unseen: labels that are not known.
        codec: how they became numbers.
    """

    words: RaggedTokens
    spellings: RaggedTokens
    characters: NDArray[np.int32]
    labels: RaggedTokens
    lines: NDArray[np.int64]
    name: str
    unseen: UnseenLabels
    codec: TagCodec

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def token_count(self) -> int:
        """Tokens of all sentences."""
        return int(self.words.lengths.sum())

    @property
    def unknown_share(self) -> float:
        """The share of the tokens whose word is not known."""
        return float(np.mean(self.words.tokens == 1))


def encode_tagged(text: TaggedText, codec: TagCodec) -> TaggedPart:
    """The sentences of a text as numbers; labels are 0 where it was read without."""
    sentences = text.sentences
    lengths = np.array([len(sentence.tokens) for sentence in sentences])
    starts = np.cumsum(lengths) - lengths
    words = [index for sentence in sentences for index in codec.word_indices(sentence.tokens)]
    spellings, characters = _spellings(sentences, codec)
    labels, unseen = _labels(sentences, codec)
    return TaggedPart(
        RaggedTokens(np.array(words), starts, lengths),
        RaggedTokens(spellings, starts, lengths),
        characters,
        RaggedTokens(labels, starts, lengths),
        np.array([sentence.line for sentence in sentences]),
        text.name,
        unseen,
        codec,
    )


def _spellings(
    sentences: Sequence[Sentence], codec: TagCodec
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Each distinct token once, for most stand many times."""
    numbers: dict[str, int] = {}
    of_tokens = [
        numbers.setdefault(token, len(numbers) + 1)
        for sentence in sentences
        for token in sentence.tokens
    ]
    spelled = [codec.spelling(token) for token in numbers]
    table = np.zeros((len(spelled) + 1, max(map(len, spelled))), np.int32)
    for row, indices in enumerate(spelled, start=1):
        table[row, : len(indices)] = indices
    return np.array(of_tokens), table


def _labels(
    sentences: Sequence[Sentence], codec: TagCodec
) -> tuple[NDArray[np.int64], UnseenLabels]:
    known, indices = codec.label_index, []
    first: tuple[str | None, int] = (None, 0)
    for sentence in sentences:
        if not sentence.labels:
            indices += [0] * len(sentence.tokens)
        for label, line in zip(sentence.labels, sentence.lines, strict=False):
            index = known.get(label, UNSEEN)
            if index == UNSEEN and first[0] is None:
                first = (label, line)
            indices.append(index)
    labels = np.array(indices)
    return labels, UnseenLabels(*first, int(np.sum(labels == UNSEEN)))
