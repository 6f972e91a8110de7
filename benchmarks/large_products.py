"""Our large products beside `torch.mm`: those of an LSTM's training around its recurrent loop.

For a hidden size h and R = time * batch rows, each with its own memory for the result:

    before      (R, h)  @ (4h, h)^T       inputs times weights, for all steps at once
    inputs      (R, 4h) @ (4h, h)         the gradient of the inputs
    weights     (R, 4h)^T @ (R, h)        the gradient of the weights

`torch.mm` in float32, ours in float32 and ours with bfloat16 operands take turns in one process.
The table shows GFLOP/s of the fastest of each, and the median over rounds of the ratio to the
`torch.mm` of the same round.

    OMP_NUM_THREADS=1 python benchmarks/large_products.py [--rows 2048 256] [--seconds 1.0]
"""

import argparse
from collections.abc import Callable
from statistics import median

import torch
from peers.turns import rounds_of
from torch import Tensor

from ostinato.engine.cpu.large_products import multiply

Work = Callable[[], object]


def products_of(rows: int, hidden: int) -> dict[str, tuple[Tensor, Tensor]]:
    inputs, gradients = torch.randn(rows, hidden), torch.randn(rows, 4 * hidden)
    weight = torch.randn(4 * hidden, hidden)
    return {
        "before": (inputs, weight.t()),
        "inputs": (gradients, weight),
        "weights": (gradients.t(), inputs),
    }


def works_of(left: Tensor, right: Tensor) -> list[Work]:
    out = torch.empty(left.shape[0], right.shape[1])
    return [
        lambda: torch.mm(left, right, out=out),
        lambda: multiply(left, right, out),
        lambda: multiply(left, right, out, operand="bfloat16"),
    ]


def table_row(name: str, hidden: int, left: Tensor, right: Tensor, limit: float) -> str:
    rounds = rounds_of(works_of(left, right), limit)
    count, size, columns = *left.shape, right.shape[1]
    rates = [2e-9 * count * size * columns / min(times) for times in zip(*rounds, strict=True)]
    best = [rates[1] / rates[0], rates[2] / rates[0]]
    paired = [median(times[0] / times[index] for times in rounds) for index in (1, 2)]
    numbers = "".join(f"{number:9.1f}" for number in rates)
    ratios = "".join(f"{number:9.2f}" for number in (*best, *paired))
    return f"{name:8} {hidden:5} {count:6} {size:5} {columns:5}{numbers}{ratios}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[2048, 256])
    parser.add_argument("--hidden", type=int, nargs="+", default=[64, 128, 256, 512, 1024])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each line")
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    torch.manual_seed(0)
    print(
        "                               GFLOP/s, fastest           ratio of fastest  median ratio"
    )
    print("product      h   rows     K  cols torch.mm    float bfloat16    float bfloat16", end="")
    print("    float bfloat16")
    for rows in settings.rows:
        for hidden in settings.hidden:
            for name, (left, right) in products_of(rows, hidden).items():
                print(table_row(name, hidden, left, right, settings.seconds), flush=True)


if __name__ == "__main__":
    main()
