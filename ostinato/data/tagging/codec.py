"""What a tagger knows: its words, the characters of words, and its labels."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ostinato.checkpoint import write_text
from ostinato.data.tagging.sentences import TaggedText
from ostinato.errors import CheckpointError, DataError

PAD_INDEX, UNKNOWN_INDEX = 0, 1
"""Of words and of characters alike; what is known comes after."""
_RESERVED = 2
LONGEST_SPELLING = 32
"""Of a longer word the first and the last sixteen characters are read."""
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class TagCodec:
    """How tokens become numbers, and numbers labels.

    Attributes:
        words: as they are looked up, see `normalised`; word i has the index i + 2.
        counts: how often each stands in the training data; 0 of a word of pretrained vectors.
        characters: character i has the index i + 2.
        labels: label i has the index i.
        lowercase: words are looked up in small letters; their characters keep their case.
        digits_alike: every digit of a word is looked up as 0.
        features: what each column of more features says, by how often; value i has the index i + 2.
        feature_counts: how often each stands in the training data.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]
    characters: tuple[str, ...]
    labels: tuple[str, ...]
    lowercase: bool
    digits_alike: bool
    features: tuple[tuple[str, ...], ...] = ()
    feature_counts: tuple[tuple[int, ...], ...] = ()

    @property
    def word_count(self) -> int:
        """Indices of words, pad and unknown included."""
        return len(self.words) + _RESERVED

    @property
    def character_count(self) -> int:
        """Indices of characters, pad and unknown included."""
        return len(self.characters) + _RESERVED

    @cached_property
    def label_index(self) -> dict[str, int]:
        """The index of each label."""
        return {label: index for index, label in enumerate(self.labels)}

    def word_indices(self, tokens: Sequence[str]) -> list[int]:
        """The index of each token's word; unknown where it is not known."""
        known = self._word_index
        return [known.get(self.normalised(token), UNKNOWN_INDEX) for token in tokens]

    def feature_indices(self, column: int, values: Sequence[str]) -> list[int]:
        """The index of each value of a column of features; unknown where it is not known."""
        known = self._feature_index[column]
        return [known.get(value, UNKNOWN_INDEX) for value in values]

    def spelling(self, token: str) -> list[int]:
        """The indices of a token's characters, at most `LONGEST_SPELLING`."""
        if len(token) > LONGEST_SPELLING:
            half = LONGEST_SPELLING // 2
            token = token[:half] + token[-half:]
        known = self._character_index
        return [known.get(character, UNKNOWN_INDEX) for character in token]

    def normalised(self, token: str) -> str:
        """The word as which a token is looked up."""
        return normalised(token, lowercase=self.lowercase, digits_alike=self.digits_alike)

    @cached_property
    def _word_index(self) -> dict[str, int]:
        return {word: index for index, word in enumerate(self.words, start=_RESERVED)}

    @cached_property
    def _feature_index(self) -> list[dict[str, int]]:
        return [
            {value: index for index, value in enumerate(values, start=_RESERVED)}
            for values in self.features
        ]

    @cached_property
    def _character_index(self) -> dict[str, int]:
        return {one: index for index, one in enumerate(self.characters, start=_RESERVED)}

    def save(self, path: Path) -> None:
        """Write all of it as JSON."""
        content = {name: getattr(self, name) for name in self.__dataclass_fields__}
        write_text(path, json.dumps(content, ensure_ascii=False))

    @classmethod
    def load(cls, path: Path) -> "TagCodec":
        """What `save` wrote.

        Raises:
            CheckpointError: it is not there, or damaged.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                words=tuple(content["words"]),
                counts=tuple(content["counts"]),
                characters=tuple(content["characters"]),
                labels=tuple(content["labels"]),
                lowercase=content["lowercase"],
                digits_alike=content["digits_alike"],
                # Runs from before more features have none.
                features=tuple(map(tuple, content.get("features", ()))),
                feature_counts=tuple(map(tuple, content.get("feature_counts", ()))),
            )
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise CheckpointError(f"{path} is missing or damaged: {problem}") from problem


def normalised(token: str, *, lowercase: bool, digits_alike: bool) -> str:
    """The word as which a token is looked up."""
    word = token.lower() if lowercase else token
    return _DIGIT.sub("0", word) if digits_alike else word


def learn_tag_codec(
    text: TaggedText,
    *,
    minimum_count: int = 1,
    lowercase: bool = True,
    digits_alike: bool = True,
    more_words: Iterable[str] = (),
) -> TagCodec:
    """The words, characters and labels of a training text.

    Args:
        text: to train on.
        minimum_count: words that are rarer are unknown.
        lowercase, digits_alike: see `TagCodec`.
        more_words: known although they do not occur, as those of pretrained vectors; normalised.

    Raises:
        DataError: all labels are the same.
    """
    words: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    features: list[Counter[str]] = [Counter() for _ in text.sentences[0].features]
    for sentence in text.sentences:
        for token in sentence.tokens:
            words[normalised(token, lowercase=lowercase, digits_alike=digits_alike)] += 1
            characters.update(token)
        labels.update(sentence.labels)
        for counter, values in zip(features, sentence.features, strict=True):
            counter.update(values)
    if len(labels) == 1:
        raise DataError(
            f"{text.name}: every token has the label {next(iter(labels))!r}, so that there is "
            "nothing to learn; choose another column (label_column)"
        )
    known = {word: count for word, count in words.most_common() if count >= minimum_count}
    for word in more_words:
        known.setdefault(word, words[word])
    return TagCodec(
        tuple(known),
        tuple(known.values()),
        tuple(one for one, _ in characters.most_common()),
        tuple(label for label, _ in labels.most_common()),
        lowercase,
        digits_alike,
        tuple(tuple(value for value, _ in one.most_common()) for one in features),
        tuple(tuple(count for _, count in one.most_common()) for one in features),
    )
