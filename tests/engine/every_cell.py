"""The built-in cells, each as a function of its numbers of features and of hidden units."""

from typing import Any

import ostinato

CELLS: dict[str, Any] = {
    "rnn": ostinato.RNNCell,
    "rnn-relu": lambda d, h: ostinato.RNNCell(d, h, activation="relu"),
    "rnn-norm": lambda d, h: ostinato.RNNCell(d, h, layer_norm=True),
    "lstm": ostinato.LSTMCell,
    "lstm-norm": lambda d, h: ostinato.LSTMCell(d, h, layer_norm=True),
    "lstm-peepholes": lambda d, h: ostinato.LSTMCell(d, h, peepholes=True),
    "lstm-projected": lambda d, h: ostinato.LSTMCell(d, h + 1, projection_size=h),
    "gru": ostinato.GRUCell,
    "gru-before": lambda d, h: ostinato.GRUCell(d, h, reset="before"),
    "gru-before-norm": lambda d, h: ostinato.GRUCell(d, h, reset="before", layer_norm=True),
    "ind-rnn": ostinato.IndRNNCell,
    "min-gru": ostinato.MinGRUCell,
    "min-lstm": ostinato.MinLSTMCell,
    "mgu": ostinato.MinimalGatedUnitCell,
    "sru": ostinato.SRUCell,
    "slstm": ostinato.SLSTMCell,
    "slstm-heads": lambda d, h: ostinato.SLSTMCell(d, 2 * h, heads=2),
}
