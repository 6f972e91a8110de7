"""Decoding: from a next-step function and a state to tokens. It knows no model."""

from ostinato.decoding.beam import Beam, penalty_of_length
from ostinato.decoding.beam_search import Allowed, NextStepFor, beam_search
from ostinato.decoding.draw import Draw, draw_sequences
from ostinato.decoding.generate import NextStep, generate
from ostinato.decoding.hypothesis import Hypothesis
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
    "Allowed",
    "Beam",
    "Draw",
    "Hypothesis",
    "NextStep",
    "NextStepFor",
    "Sampling",
    "StopStrings",
    "beam_search",
    "draw_sequences",
    "generate",
    "keep_minimum_p",
    "keep_top_k",
    "keep_top_p",
    "penalise_repetition",
    "penalty_of_length",
    "with_temperature",
]
