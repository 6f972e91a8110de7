"""Attention: six score functions, windows, soft and hard."""

from ostinato.layers.attention.additive import AdditiveScore
from ostinato.layers.attention.attention import Attention
from ostinato.layers.attention.by_name import build_score
from ostinato.layers.attention.combinations import SCORES, combinations_table
from ostinato.layers.attention.content import ContentScore
from ostinato.layers.attention.dot import DotScore
from ostinato.layers.attention.general import GeneralScore
from ostinato.layers.attention.location import LocationScore
from ostinato.layers.attention.prepared import Attended, HardChoice, Prepared, masked_softmax
from ostinato.layers.attention.reinforce import Reinforce
from ostinato.layers.attention.scaled_dot import ScaledDotScore
from ostinato.layers.attention.score import ScoreFunction
from ostinato.layers.attention.windows import MonotonicWindow, PredictiveWindow, Window

__all__ = [
    "SCORES",
    "AdditiveScore",
    "Attended",
    "Attention",
    "ContentScore",
    "DotScore",
    "GeneralScore",
    "HardChoice",
    "LocationScore",
    "MonotonicWindow",
    "PredictiveWindow",
    "Prepared",
    "Reinforce",
    "ScaledDotScore",
    "ScoreFunction",
    "Window",
    "build_score",
    "combinations_table",
    "masked_softmax",
]
