"""Cells: one time step each, reading like its equations."""

from ostinato.cells.activation import Activation
from ostinato.cells.cell import Cell, check_size
from ostinato.cells.feed_forward import FeedForwardCell
from ostinato.cells.gru import GRUCell
from ostinato.cells.lstm import LSTMCell
from ostinato.cells.rnn import RNNCell

__all__ = [
    "Activation",
    "Cell",
    "FeedForwardCell",
    "GRUCell",
    "LSTMCell",
    "RNNCell",
    "check_size",
]
