"""Samples as numbers: what training or validation reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ostinato.data.classification.codec import SampleCodec, TextCodec
from ostinato.data.classification.samples import Samples
from ostinato.data.classification.steps import RaggedSteps
from ostinato.data.pair_part import RaggedTokens
from ostinato.data.rows_on_disk import share_of
from ostinato.errors import DataError


@dataclass(frozen=True)
class SamplePart:
    """Samples as numbers.

    Attributes:
        inputs: tokens, or steps of numbers.
        classes: the index of each sample's class (samples,), or whether it has each of several
            labels (samples, classes); 0 where they were read without.
        places: where each stands in its file.
        name: the file, for messages.
        unknown_share: the share of the tokens that the tokeniser does not know.
        codec: how they became numbers.
    """

    inputs: RaggedTokens | RaggedSteps
    classes: NDArray[np.int64] | NDArray[np.bool_]
    places: Sequence[str]
    name: str
    unknown_share: float
    codec: SampleCodec

    def __len__(self) -> int:
        return len(self.places)


def encode_samples(samples: Samples, codec: SampleCodec) -> SamplePart:
    """The samples as numbers.

    Raises:
        DataError: a class, a feature or a missing value that never occurs in training; texts in
            place of series or the other way round.
    """
    is_text = isinstance(codec.inputs, TextCodec)
    if is_text == bool(samples.features):
        kinds = ("series of numbers", "texts") if is_text else ("texts", "series of numbers")
        raise DataError(f"{samples.name} holds {kinds[0]}, and the model was trained on {kinds[1]}")
    inputs = codec.inputs.encode(samples)
    unknown = codec.inputs.lines.tokeniser.unknown_index if is_text else None  # pyright: ignore[reportAttributeAccessIssue]
    share = 0.0
    if unknown is not None and isinstance(inputs, RaggedTokens):
        share = share_of(inputs.tokens, unknown)
    return SamplePart(inputs, codec.truth(samples), samples.places, samples.name, share, codec)
