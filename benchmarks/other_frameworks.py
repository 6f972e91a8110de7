"""Our engine beside JAX, which compiles any cell too, and beside ONNX Runtime, which only infers.

Each lives in an environment of its own and takes turns with us from there: the weights are handed
over, the numbers compared (with JAX all gradients, too), and then each side runs once and tells its
seconds, one after the other. Peers whose environment is missing are skipped; to make them:

    scripts/peer-environment jax onnx
    python benchmarks/other_frameworks.py [--threads 1] [--seconds 3] [--only TEXT]

How long JAX compiles is in `benchmarks/compilation.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from peers.comparison import Case, Settings, compare_all, parser_of, settings_of
from peers.elsewhere import Elsewhere
from peers.peak import multiply_adds
from torch import Tensor

import ostinato

STEPS = 100

Results = Mapping[str, Tensor]


def trained(
    layer: ostinato.LSTM, inputs: Tensor, gradient: Tensor
) -> tuple[dict[str, Tensor], Callable[[], Results]]:
    """The layer's weights by name; and forward and backward, with all gradients by name."""
    weights = dict(layer.cells[0].named_parameters())
    wanted = {"inputs": inputs, **weights}

    def work() -> Results:
        outputs = layer(inputs)[0]
        found = torch.autograd.grad(outputs, list(wanted.values()), gradient)
        return {"outputs": outputs.detach(), **dict(zip(wanted, found, strict=True))}

    return weights, work


def beside_jax(size: int, samples: int, *, normed: bool, aim: float | None, threads: int) -> Case:
    layer = ostinato.LSTM(size, size, layer_norm=normed)
    inputs = torch.randn(samples, 64, size, requires_grad=True)
    gradient = torch.randn(samples, 64, size)
    weights, ours = trained(layer, inputs, gradient)
    arrays = {"inputs": inputs, "gradient": gradient, **weights}
    return Case(
        f"LSTM{', layer norm' * normed} h={size} n={samples}",
        "JAX jit, scan, grad",
        ours,
        Elsewhere("jax", {"normed": normed}, arrays, threads),
        (aim, aim),
        multiply_adds(layer, samples * 64, trained=True),
    )


def long_inference(size: int, time_steps: int, *, threads: int) -> Case:
    layer, inputs = ostinato.LSTM(size, size).eval(), torch.randn(1, time_steps, size)
    arrays = {"inputs": inputs, **dict(layer.cells[0].named_parameters())}

    @torch.no_grad()
    def ours() -> Results:
        return {"outputs": layer(inputs)[0]}

    return Case(
        f"LSTM h={size} n=1 T={time_steps}, inference",
        "ONNX Runtime",
        ours,
        Elsewhere("onnx", {"form": "sequence", "threads": threads}, arrays, threads),
        (1.5, 1.5),
        multiply_adds(layer, time_steps, trained=False),
    )


def single_steps(size: int, form: str, *, aim: float, threads: int) -> Case:
    layer, step_input = ostinato.LSTM(size, size).eval(), torch.randn(1, size)
    stepper, start = layer.stepper(1), layer.initial_state(1)
    arrays = {"inputs": step_input, **dict(layer.cells[0].named_parameters())}

    def ours() -> Results:
        stepper.state = start
        for _ in range(STEPS):
            output = stepper(step_input)
        return {"outputs": output.clone()}

    options = {"form": form, "steps": STEPS, "threads": threads}
    return Case(
        f"LSTM h={size}, {STEPS} single steps, n=1",
        f"ONNX Runtime, {_FORMS[form]}",
        ours,
        Elsewhere("onnx", options, arrays, threads),
        (aim, None),
        multiply_adds(layer, STEPS, trained=False),
    )


_FORMS = {"operator": "LSTM", "gemm": "Gemm"}


def cases(settings: Settings) -> Iterator[Callable[[], Case]]:
    threads = settings.threads
    for size, aim in {128: 3.0, 256: None, 512: 1.6}.items():
        yield partial(beside_jax, size, 32, normed=True, aim=aim, threads=threads)
    yield partial(beside_jax, 128, 1, normed=True, aim=2.0, threads=threads)
    for size in (128, 512):
        yield partial(beside_jax, size, 32, normed=False, aim=None, threads=threads)
    for size, aim in {128: 2.0, 512: 1.1}.items():
        for form in _FORMS:
            yield partial(single_steps, size, form, aim=aim, threads=threads)
    yield partial(long_inference, 256, 1000, threads=threads)


def main() -> None:
    settings = settings_of(parser_of(__doc__, seconds=3.0).parse_args())
    compare_all(cases(settings), settings, "other_frameworks")


if __name__ == "__main__":
    main()
