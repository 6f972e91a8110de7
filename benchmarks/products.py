"""GFLOP/s of our product kernels beside `torch.mm`, on one thread, at shapes of recurrent steps.

Each case multiplies rows (rows, K) with packed weights (K, columns), all of its panels in one
compiled loop, as the engine does in every time step. Packing is outside of the time, since it
happens once a call; rounding rows to bfloat16 is inside. `torch.mm(out=)` takes the same matrices
in float32. The three alternate in one process; the table shows the fastest of each, and the median
over rounds of the ratio to the `torch.mm` of the same round. `peak` is a loop of nothing but
multiply-adds on registers. 2048 rows stand for products over all time steps at once. Weights stay
in the cache between rounds wherever they fit.

    OMP_NUM_THREADS=1 python benchmarks/products.py [--vectors 4] [--seconds 1.2]
"""

import argparse
from collections.abc import Callable
from statistics import median

import torch
from peers.peak import compiled, multiply_adds_a_second, pointer, size
from peers.turns import rounds_of

from ostinato.engine.cpu.products import Kernel, address, pack, rounding_address
from ostinato.engine.cpu.target import host_target
from ostinato.engine.cpu.writer import Writer

ROWS = (1, 4, 8, 16, 32, 64, 2048)
SHAPES = ((128, 512), (256, 1024), (512, 2048), (512, 512), (2048, 512))

Work = Callable[[], object]


def all_panels(kernel: Kernel) -> Callable[..., None]:
    """A loop over the panels of a matrix, after rounding the rows where the kernel wants that."""
    writer = Writer(kernel.target)
    rows, stride = "%A", "%K"
    if kernel.rounds_rows:
        writer.do(
            f"call void inttoptr (i64 {rounding_address(kernel)} to ptr)"
            "(ptr %A, i64 %K, ptr %rounded, i64 %rows, i64 %K)"
        )
        rows, stride = "%rounded", "%stride"
    groups = "%K"
    if kernel.operand == "bfloat16":
        groups = writer.divide(writer.add("%K", 1), 2)
    with writer.loop(0, "%columns", kernel.width) as column:
        panel = writer.at("%panels", writer.multiply(column, groups))
        writer.do(
            f"call void inttoptr (i64 {address(kernel)} to ptr)(ptr {rows}, i64 {stride}, "
            f"ptr {panel}, ptr {writer.at('%C', column)}, i64 %columns, i64 %rows, i64 %K)"
        )
    arguments = (
        "ptr %A, ptr %rounded, i64 %stride, ptr %panels, ptr %C, i64 %rows, i64 %K, i64 %columns"
    )
    return compiled(arguments, writer, pointer, pointer, size, pointer, pointer, size, size, size)


def our_work(rows: torch.Tensor, weight: torch.Tensor, kernel: Kernel) -> Work:
    (count, depth), columns = rows.shape, weight.shape[1]
    panels, result = pack(weight, kernel), torch.empty(count, columns)
    stride = kernel.rounded_stride(depth)
    rounded = torch.empty(count, stride, dtype=torch.bfloat16)
    run = all_panels(kernel)

    def work() -> torch.Tensor:
        places = rounded.data_ptr(), stride, panels.data_ptr(), result.data_ptr()
        run(rows.data_ptr(), *places, count, depth, columns)
        return result

    return work


def torch_work(rows: torch.Tensor, weight: torch.Tensor) -> Work:
    result = torch.empty(rows.shape[0], weight.shape[1])
    return lambda: torch.mm(rows, weight, out=result)


def table_row(count: int, depth: int, columns: int, kernels: list[Kernel], limit: float) -> str:
    rows, weight = torch.randn(count, depth), torch.randn(depth, columns)
    works = [torch_work(rows, weight), *(our_work(rows, weight, kernel) for kernel in kernels)]
    rounds = rounds_of(works, limit)
    rates = [2e-9 * count * depth * columns / min(times) for times in zip(*rounds, strict=True)]
    ratios = [median(times[0] / times[1 + index] for times in rounds) for index in (0, 1)]
    return (
        f"{count:5} {depth:5} {columns:8} {rates[0]:9.1f} {rates[1]:9.1f} {rates[2]:9.1f}"
        f" {ratios[0]:9.2f} {ratios[1]:9.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=int, default=4, help="width of a panel")
    parser.add_argument("--seconds", type=float, default=1.2, help="for each line")
    settings = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    target = host_target()
    kernels = [Kernel(target, settings.vectors), Kernel(target, settings.vectors, "bfloat16")]
    peak = 2e-9 * multiply_adds_a_second()
    print(f"{target.name}, {settings.vectors} vectors; peak {peak:.1f} GFLOP/s in float32")
    print(" rows     K  columns  torch.mm     float  bfloat16   float/mm   bf16/mm")
    for count in ROWS:
        for depth, columns in SHAPES:
            print(table_row(count, depth, columns, kernels, settings.seconds), flush=True)


if __name__ == "__main__":
    main()
