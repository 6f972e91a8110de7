"""Cells: one time step each, reading like its equations."""

from ostinato.cells.activation import Activation
from ostinato.cells.cell import Cell, check_size
from ostinato.cells.feed_forward import FeedForwardCell
from ostinato.cells.gru import GRUCell
from ostinato.cells.ind_rnn import IndRNNCell
from ostinato.cells.linear_recurrence import LinearRecurrenceCell
from ostinato.cells.lstm import LSTMCell
from ostinato.cells.min_gru import MinGRUCell
from ostinato.cells.min_lstm import MinLSTMCell
from ostinato.cells.minimal_gated_unit import MinimalGatedUnitCell
from ostinato.cells.rnn import RNNCell
from ostinato.cells.slstm import SLSTMCell
from ostinato.cells.sru import SRUCell

__all__ = [
    "Activation",
    "Cell",
    "FeedForwardCell",
    "GRUCell",
    "IndRNNCell",
    "LSTMCell",
    "LinearRecurrenceCell",
    "MinGRUCell",
    "MinLSTMCell",
    "MinimalGatedUnitCell",
    "RNNCell",
    "SLSTMCell",
    "SRUCell",
    "check_size",
]
