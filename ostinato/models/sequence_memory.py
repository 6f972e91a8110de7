"""What sequence-to-sequence models hand on: the source as read, and the decoder's state."""

from typing import Any, NamedTuple

from torch import Tensor


class Encoded(NamedTuple):
    """A source as the encoder read it.

    Attributes:
        outputs: (batch, source time, output_size), zero past a sample's length.
        state: the encoder's final state.
        lengths: integers (batch,).
    """

    outputs: Tensor
    state: Any
    lengths: Tensor


class Memory(NamedTuple):
    """All that a decoder reads of a source, once encoded. It is no state: a beam never reorders it.

    `ostinato.select(memory, indices)` takes some of its samples. What a decoder does not use is
    `NoState()`.

    Attributes:
        prepared: the source prepared for attention.
        start: the recurrent layers' state before the first target step.
        copied: integers (batch, source time), what a source position is in the target's vocabulary.
        fertility: (batch, source time), how often a position may be attended to.
        lengths: integers (batch,), the source's.
    """

    prepared: Any
    start: Any
    copied: Any
    fertility: Any
    lengths: Tensor


class DecoderState(NamedTuple):
    """What a decoder carries from one target step to the next. Its tensors begin with the batch.

    What a decoder does not use is `NoState()`.

    Attributes:
        recurrent: the state of the recurrent layers.
        attentional: (batch, size), the attentional vector that is fed in at the next step.
        coverage: (batch, source time), how much each position was attended to so far.
        position: integers (batch,), target steps read so far.
    """

    recurrent: Any
    attentional: Any
    coverage: Any
    position: Tensor


class DecoderStep(NamedTuple):
    """What a decoder knows after a step, before the vocabulary: of one (batch, ...) or of all.

    Attributes:
        embedded: (..., embedding_size), the token read.
        hidden: (..., output_size) of the recurrent layers.
        context: (..., value size), or None without attention.
        attentional: (..., size), or None in decoders without one.
        weights: (..., source time), or None where not asked for.
        choice: of hard attention, or None.
        penalty: (...), what attending to the same again costs; None without coverage.
    """

    embedded: Tensor
    hidden: Tensor
    context: Any = None
    attentional: Any = None
    weights: Any = None
    choice: Any = None
    penalty: Any = None
