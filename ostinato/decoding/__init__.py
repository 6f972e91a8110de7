"""Decoding: from a next-step function and a state to tokens. It knows no model."""

from ostinato.decoding.generate import NextStep, generate
from ostinato.decoding.sampling import (
    Sampling,
    keep_minimum_p,
    keep_top_k,
    keep_top_p,
    penalise_repetition,
    with_temperature,
)
from ostinato.decoding.stop_strings import StopStrings

__all__ = [
    "NextStep",
    "Sampling",
    "StopStrings",
    "generate",
    "keep_minimum_p",
    "keep_top_k",
    "keep_top_p",
    "penalise_repetition",
    "with_temperature",
]
