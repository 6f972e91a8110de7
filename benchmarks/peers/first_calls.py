"""What the first call of a cell costs in a new process: to be run as one, by `compilation.py`.

Prints a line of JSON a cell, in this order: LSTM, GRU that resets before the product, layer-norm
LSTM. Each is traced, its loops compiled both ways and run once, forward and backward; `call` is how
long such a run takes afterwards, and is not part of the others. Seconds of the processor.
"""

import json
import time
from collections.abc import Callable

import torch

import ostinato
from ostinato.engine.cache import CellView, kind_of
from ostinato.engine.trace import Form

SIZE = 128


def seconds_of(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def first_call(layer: ostinato.Recurrent) -> dict[str, float]:
    inputs = torch.randn(32, 64, SIZE)

    def call() -> None:
        layer(inputs)[0].sum().backward()

    traced = seconds_of(lambda: kind_of(CellView(layer.cells[0]), Form()))
    compiled = seconds_of(call)
    later = min(seconds_of(call) for _ in range(5))
    return {"traced": traced, "compiled": compiled - later, "call": later}


def main() -> None:
    torch.set_num_threads(1)
    a_call_of_torch_itself = torch.nn.Linear(SIZE, SIZE)
    a_call_of_torch_itself(torch.randn(32, SIZE)).sum().backward()
    layers = {
        "LSTM": ostinato.LSTM(SIZE, SIZE),
        "GRU, reset before the product": ostinato.GRU(SIZE, SIZE, reset="before"),
        "LSTM, layer norm": ostinato.LSTM(SIZE, SIZE, layer_norm=True),
    }
    for name, layer in layers.items():
        print(json.dumps({"cell": name, **first_call(layer)}), flush=True)


if __name__ == "__main__":
    main()
