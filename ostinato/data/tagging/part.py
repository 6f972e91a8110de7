"""Tagged sentences as numbers: what training or validation reads."""

from array import array
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.data.long_lists import Runs
from ostinato.data.pair_part import RaggedTokens
from ostinato.data.rows_on_disk import RowsWriter, share_of
from ostinato.data.tagging.codec import LONGEST_SPELLING, UNKNOWN_INDEX, TagCodec
from ostinato.data.tagging.sentences import Sentence, TaggedText
from ostinato.errors import DataError

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
        features: (tokens, columns), the indices of what the columns of more features say.
        lines: the line where each sentence begins.
        name: the file, for messages.
        unseen: labels that are not known.
        codec: how they became numbers.
    """

    words: RaggedTokens
    spellings: RaggedTokens
    characters: NDArray[np.int32]
    labels: RaggedTokens
    features: RaggedTokens
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
        return share_of(self.words.tokens, UNKNOWN_INDEX)


def encode_tagged(text: TaggedText, codec: TagCodec) -> TaggedPart:
    """The sentences of a text as numbers; labels are 0 where it was read without.

    Raises:
        DataError: other columns of features than in training.
    """
    words = Runs(np.int32)
    # All others begin and end where the words do.
    spellings, labels = RowsWriter(np.int32), RowsWriter(np.int32)
    features = RowsWriter(np.int32, (len(codec.features),))
    lines, spelled, unseen = array("q"), dict[str, int](), UnseenLabels(None, 0, 0)
    for sentence in text.sentences:
        words.append(np.array(codec.word_indices(sentence.tokens), np.int32))
        # Each distinct token is spelled once, for most stand many times.
        numbers = [spelled.setdefault(token, len(spelled) + 1) for token in sentence.tokens]
        spellings.append(np.array(numbers, np.int32))
        indices = [codec.label_index.get(label, UNSEEN) for label in sentence.labels]
        labels.append(np.array(indices or [0] * len(sentence.tokens), np.int32))
        unseen = _with_unseen(unseen, indices, sentence)
        features.append(_features(sentence, codec, text.name))
        lines.append(sentence.line)
    starts, lengths = words.starts, words.lengths
    return TaggedPart(
        RaggedTokens(words.rows, starts, lengths),
        RaggedTokens(spellings.finish(), starts, lengths),
        _characters(spelled, codec),
        RaggedTokens(labels.finish(), starts, lengths),
        RaggedTokens(features.finish(), starts, lengths),
        np.frombuffer(lines, np.int64),
        text.name,
        unseen,
        codec,
    )


def _characters(tokens: Collection[str], codec: TagCodec) -> NDArray[np.int32]:
    longest = min(max(map(len, tokens)), LONGEST_SPELLING)
    table = np.zeros((len(tokens) + 1, longest), np.int32)
    for row, token in enumerate(tokens, start=1):
        indices = codec.spelling(token)
        table[row, : len(indices)] = indices
    return table


def _with_unseen(before: UnseenLabels, indices: Sequence[int], sentence: Sentence) -> UnseenLabels:
    if UNSEEN not in indices:
        return before
    found = before._replace(tokens=before.tokens + indices.count(UNSEEN))
    if before.tokens:
        return found
    first = indices.index(UNSEEN)
    return found._replace(label=sentence.labels[first], line=sentence.lines[first])


def _features(sentence: Sentence, codec: TagCodec, name: str) -> NDArray[np.int32]:
    """The indices of what the columns of features say (tokens, columns)."""
    if len(sentence.features) != len(codec.features):
        raise DataError(
            f"{name}, line {sentence.line}: the model reads {len(codec.features)} more columns of "
            f"features beside each token, and here are {len(sentence.features)}: give a file with "
            "the columns of its training"
        )
    columns = enumerate(sentence.features)
    found = [codec.feature_indices(column, values) for column, values in columns]
    return np.array(found, np.int32).reshape(len(found), len(sentence.tokens)).T
