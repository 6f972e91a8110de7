"""Small encoder-decoders of every kind, and pairs for them."""

from typing import Any

import torch
from torch import Tensor

from ostinato import (
    GRU,
    LSTM,
    Attention,
    BahdanauDecoder,
    Coverage,
    DecoderOptions,
    LuongDecoder,
    PlainDecoder,
    RecurrentEncoder,
    SequenceToSequence,
)
from ostinato.layers import MonotonicWindow, PredictiveWindow, build_score

VOCABULARY, SIZE = 11, 6
COVERED = DecoderOptions(coverage=Coverage())
FERTILE = DecoderOptions(coverage=Coverage(fertility=2.0))
COPYING = DecoderOptions(copy=True)


def make_plain(layer: type = LSTM, **options: Any) -> SequenceToSequence:
    """Encoder and decoder of two layers each, without attention."""
    encoder = RecurrentEncoder(VOCABULARY, SIZE, layer(SIZE, SIZE, 2), reverse_source=True)
    decoder = PlainDecoder(VOCABULARY, SIZE, layer(SIZE, SIZE, 2), **options)
    return SequenceToSequence(encoder, decoder, bridge="copy")


def make_attending(
    kind: str = "luong",
    score: str = "additive",
    *,
    window: Any = None,
    hard: bool = False,
    layer: type = GRU,
    options: DecoderOptions | None = None,
    **more: Any,
) -> SequenceToSequence:
    """kind: "luong", "feeding" or "bahdanau"; sizes such that every score function fits."""
    encoder = RecurrentEncoder(VOCABULARY, SIZE, GRU(SIZE, SIZE // 2, bidirectional=True))
    covered = options is not None and options.coverage is not None
    scoring = build_score(score, SIZE, SIZE, longest=9, coverage=covered)
    attention = Attention(scoring, window=window, hard=hard)
    if kind == "bahdanau":
        parts = (VOCABULARY, SIZE, layer(2 * SIZE, SIZE), attention, SIZE)
        decoder = BahdanauDecoder(*parts, options=options)
    else:
        feeding = kind == "feeding"
        parts = (VOCABULARY, SIZE, layer((1 + feeding) * SIZE, SIZE), attention, SIZE)
        decoder = LuongDecoder(*parts, input_feeding=feeding, options=options)
    return SequenceToSequence(encoder, decoder, **more)


KINDS = {
    "plain LSTM": make_plain,
    "plain GRU": lambda: make_plain(GRU),
    "luong": lambda: make_attending("luong"),
    "luong general LSTM": lambda: make_attending("luong", "general", layer=LSTM),
    "luong scaled-dot": lambda: make_attending("luong", "scaled-dot"),
    "luong location": lambda: make_attending("luong", "location"),
    "luong monotonic": lambda: make_attending("luong", "dot", window=MonotonicWindow(1)),
    "luong predictive": lambda: make_attending("luong", "dot", window=PredictiveWindow(SIZE, 2)),
    "luong hard": lambda: make_attending("luong", hard=True),
    "luong coverage": lambda: make_attending("luong", options=COVERED),
    "luong copy": lambda: make_attending("luong", options=COPYING),
    "feeding": lambda: make_attending("feeding"),
    "feeding LSTM": lambda: make_attending("feeding", "content", layer=LSTM),
    "feeding fertility": lambda: make_attending("feeding", options=FERTILE),
    "bahdanau": lambda: make_attending("bahdanau"),
    "bahdanau LSTM": lambda: make_attending("bahdanau", layer=LSTM),
    "bahdanau monotonic": lambda: make_attending("bahdanau", "dot", window=MonotonicWindow(1)),
    "bahdanau coverage": lambda: make_attending("bahdanau", options=COVERED),
    "bahdanau copy": lambda: make_attending("bahdanau", options=COPYING),
}


def pairs(batch_size: int = 3, source_time: int = 5, target_time: int = 7) -> tuple[Tensor, ...]:
    """Source, its lengths, target_in, targets, their lengths."""
    source_lengths = torch.randint(1, source_time + 1, (batch_size,))
    target_lengths = torch.randint(1, target_time + 1, (batch_size,))
    source_lengths[0], target_lengths[0] = source_time, target_time
    source = torch.randint(VOCABULARY, (batch_size, source_time))
    target = torch.randint(VOCABULARY, (batch_size, target_time + 1))
    return source, source_lengths, target[:, :-1], target[:, 1:], target_lengths
