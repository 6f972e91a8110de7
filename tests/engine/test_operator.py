"""The compiled loop as operators of torch: compiled, exported, transformed, sent, cast."""

import copy
import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
from torch import Tensor
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap

import ostinato
from ostinato.cells import Cell
from ostinato.engine import Noise, Reading, cache, unroll
from ostinato.engine.operator import BACKWARD, FORWARD
from ostinato.engine.trace import Form
from ostinato.errors import EngineError, ShapeError
from ostinato.state import HiddenState, map_state, tensors

SAMPLES, TIME, FEATURES, HIDDEN = 3, 4, 2, 3


class Call:
    """All that the operators are given for one cell, in double precision."""

    def __init__(self, cell: Cell, *, marked: bool = False, all_states: bool = False) -> None:
        torch.manual_seed(0)
        self.cell = cell.double()
        form = Form(marked, marked, marked, "steps" if marked else None, all_states)
        self.key = cache.kind_of(cache.CellView(self.cell), form).key
        sizes = [int(size) for size in cell.state_sizes]
        parts = [torch.rand(SAMPLES, size).double() for size in sizes * (2 if marked else 1)]
        inputs = torch.randn(SAMPLES, TIME, FEATURES).double()
        self.given = [inputs, *parts, *(each.detach() for each in self.cell.parameters())]
        self.marks: list[Tensor | None] = [None, None, None]
        if marked:
            keep = [(torch.rand(SAMPLES, TIME, size) < 0.3).double() for size in sizes]
            hidden = (torch.rand(SAMPLES, sizes[0]) < 0.7).double() / 0.7
            resets = torch.rand(SAMPLES, TIME) < 0.3
            self.marks = [torch.tensor([4, 2, 0]), resets, hidden, *keep]

    def run(self, *given: Tensor) -> tuple[Tensor, ...]:
        return tuple(FORWARD(list(given), self.marks, self.key, False, False))

    def saved(self) -> list[Tensor]:
        found = FORWARD(self.given, self.marks, self.key, False, True)
        return found[len(FORWARD(self.given, self.marks, self.key, False, False)) :]


def lstm() -> Cell:
    return ostinato.LSTMCell(FEATURES, HIDDEN)


def normed_gru() -> Cell:
    return ostinato.GRUCell(FEATURES, HIDDEN, reset="before", layer_norm=True)


CALLS: dict[str, Callable[[], Call]] = {
    "lstm": lambda: Call(lstm()),
    "lstm-marked": lambda: Call(lstm(), marked=True, all_states=True),
    "gru": lambda: Call(normed_gru(), all_states=True),
}


# ---- what torch demands of an operator


@pytest.mark.parametrize("name", CALLS)
def test_torch_finds_no_fault_with_the_operators(name: str) -> None:
    call = CALLS[name]()
    trained = [part.clone().requires_grad_() for part in call.given]
    rest = (call.marks, call.key, False)
    torch.library.opcheck(FORWARD, (trained, *rest, False))
    torch.library.opcheck(FORWARD, (call.given, *rest, True))
    gradients = [torch.randn_like(each) for each in call.run(*call.given)]
    given = (call.given, call.marks, call.saved(), call.key, False)
    torch.library.opcheck(BACKWARD, (gradients, *given, True))
    torch.library.opcheck(BACKWARD, ([gradients[0], *[None] * len(gradients[1:])], *given, False))


@pytest.mark.parametrize("name", CALLS)
def test_first_and_second_derivatives_are_right(name: str) -> None:
    call = CALLS[name]()
    trained = [part.clone().requires_grad_() for part in call.given]
    assert torch.autograd.gradcheck(call.run, trained)
    assert torch.autograd.gradgradcheck(call.run, trained)


def test_the_backward_operator_gives_the_same_twice_and_without_what_was_saved() -> None:
    call = CALLS["lstm-marked"]()
    gradients = [torch.randn_like(each) for each in call.run(*call.given)]
    saved = call.saved()
    rest = (call.key, False, True)
    first = BACKWARD(gradients, call.given, call.marks, saved, *rest)
    second = BACKWARD(gradients, call.given, call.marks, saved, *rest)
    nothing = [part.new_empty(0) for part in saved]
    anew = BACKWARD(gradients, call.given, call.marks, nothing, *rest)
    assert all(map(torch.equal, first, second))
    assert all(map(torch.equal, first, anew))


def test_a_key_that_nobody_traced_is_refused_with_what_to_do() -> None:
    call = CALLS["lstm"]()
    with pytest.raises(EngineError, match="run a layer with that cell once"):
        FORWARD(call.given, call.marks, "LSTMCell:0123", False, False)


def test_other_parameters_than_the_traced_ones_are_refused() -> None:
    call = CALLS["lstm"]()
    with pytest.raises(EngineError, match=r"is for torch\.float64 and parameters"):
        FORWARD([part.float() for part in call.given], call.marks, call.key, False, False)


def test_lengths_that_do_not_fit_are_refused_when_a_graph_runs() -> None:
    call = CALLS["lstm-marked"]()
    call.marks[0] = torch.tensor([4, 5, 0])
    with pytest.raises(ShapeError, match="between 0 and the 4 steps"):
        call.run(*call.given)


# ---- torch.func


def loss(run: Callable[..., Any]) -> Callable[[list[Tensor], Tensor], Tensor]:
    def total(weights: list[Tensor], inputs: Tensor) -> Tensor:
        outputs, _, memory = run(inputs, weights)
        return outputs.pow(2).sum() + memory.sin().sum()

    return total


def penalty(run: Callable[..., Any], weights: list[Tensor], inputs: Tensor) -> Tensor:
    return grad(loss(run), argnums=1)(weights, inputs).pow(2).sum()


def mapped_sum(run: Callable[..., Any], weights: list[Tensor], several: Tensor) -> Tensor:
    return vmap(loss(run), (None, 0))(weights, several).sum()


TRANSFORMS: dict[str, Callable[..., Any]] = {
    "grad": lambda run, x, w, xs, ws: grad(loss(run), argnums=(0, 1))(w, x),
    "grad of grad": lambda run, x, w, xs, ws: grad(lambda w: penalty(run, w, x))(w),
    "vmap over samples": lambda run, x, w, xs, ws: vmap(run, (0, None))(xs, w),
    "vmap over another axis": lambda run, x, w, xs, ws: vmap(run, (2, None))(xs.movedim(0, 2), w),
    "vmap over weights": lambda run, x, w, xs, ws: vmap(run, (None, 0))(x, ws),
    "vmap over both": lambda run, x, w, xs, ws: vmap(vmap(run, (0, None)), (None, 0))(xs, ws),
    "per-sample gradients of weights": lambda run, x, w, xs, ws: vmap(grad(loss(run)), (None, 0))(
        w, xs
    ),
    "per-sample gradients of inputs": lambda run, x, w, xs, ws: vmap(
        grad(loss(run), argnums=1), (None, 0)
    )(w, xs),
    "grad of vmap": lambda run, x, w, xs, ws: grad(lambda w: mapped_sum(run, w, xs))(w),
    "jacrev": lambda run, x, w, xs, ws: jacrev(lambda x: run(x, w)[0])(x),
    "jacrev of weights": lambda run, x, w, xs, ws: jacrev(lambda w: run(x, w)[0])(w),
    "jacfwd": lambda run, x, w, xs, ws: jacfwd(lambda x: run(x, w)[0])(x),
    "jvp": lambda run, x, w, xs, ws: jvp(lambda x: run(x, w), (x,), (x.cos(),)),
    "hessian": lambda run, x, w, xs, ws: hessian(lambda x: loss(run)(w, x))(x),
}


@pytest.mark.parametrize("reading", ["plain", "lengths and resets", "reverse"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_transform_of_torch_func_gives_what_it_gives_of_the_reference(
    transform: str, reading: str
) -> None:
    cell = lstm().double()
    names = list(dict(cell.named_parameters()))
    state = map_state(lambda size: torch.rand(SAMPLES, size).double(), cell.state_sizes)
    how = {
        "plain": Reading(),
        "lengths and resets": Reading(torch.tensor([4, 2, 0]), torch.rand(SAMPLES, TIME) < 0.3),
        "reverse": Reading(reverse=True),
    }[reading]

    def with_engine(engine: str) -> Callable[..., Any]:
        def run(inputs: Tensor, weights: list[Tensor]) -> tuple[Tensor, ...]:
            noise = Noise(weights=dict(zip(names, weights, strict=True)))
            found = unroll(cell, inputs, state, how, noise, engine=engine)
            return (found.outputs, *tensors(found.state))

        return run

    several = torch.randn(2, SAMPLES, TIME, FEATURES).double()
    weights = [part.detach() for part in cell.parameters()]
    many = [torch.randn(2, *part.shape).double() for part in weights]
    given = (several[0], weights, several, many)
    found = TRANSFORMS[transform](with_engine("compiled"), *given)
    torch.testing.assert_close(found, TRANSFORMS[transform](with_engine("reference"), *given))


def test_gradients_of_each_sample_need_no_hook() -> None:
    layer = ostinato.LSTM(FEATURES, HIDDEN)
    weights = {name: part.detach() for name, part in layer.named_parameters()}
    inputs = torch.randn(SAMPLES, TIME, FEATURES)

    def total(weights: dict[str, Tensor], sample: Tensor) -> Tensor:
        return functional_call(layer, weights, (sample.unsqueeze(0),))[0].square().sum()

    each = vmap(grad(total), (None, 0))(weights, inputs)
    layer(inputs)[0].square().sum().backward()
    for name, part in layer.named_parameters():
        torch.testing.assert_close(each[name].sum(0), part.grad, rtol=1e-4, atol=1e-5)


def test_forward_mode_gives_the_tangent_of_the_reference() -> None:
    cell = lstm().double()
    inputs = torch.randn(SAMPLES, TIME, FEATURES).double()

    def tangent(engine: str) -> Tensor:
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(inputs, inputs.cos())
            outputs = unroll(cell, dual, engine=engine).outputs
            return torch.autograd.forward_ad.unpack_dual(outputs).tangent

    torch.testing.assert_close(tangent("compiled"), tangent("reference"))


def test_checkpointing_runs_the_layer_again_and_gives_the_same_gradient() -> None:
    layer = ostinato.LSTM(FEATURES, HIDDEN)
    inputs = torch.randn(SAMPLES, TIME, FEATURES)
    weights = list(layer.parameters())
    plain = torch.autograd.grad(layer(inputs)[0].square().sum(), weights)
    outputs = torch.utils.checkpoint.checkpoint(lambda x: layer(x)[0], inputs, use_reentrant=False)
    again = torch.autograd.grad(outputs.square().sum(), weights)  # pyright: ignore[reportOptionalMemberAccess]
    torch.testing.assert_close(again, plain)


# ---- torch.compile and torch.export


def gradients(run: Callable[..., Any], leaves: list[Tensor], **options: Any) -> Any:
    return torch.autograd.grad(
        run(leaves[0], **options)[0].square().sum(),
        leaves,
        allow_unused=True,
        materialize_grads=True,
    )


LAYERS: dict[str, Callable[[], Any]] = {
    "two layers, both ways": lambda: ostinato.LSTM(4, 6, 2, bidirectional=True),
    "normed, a learned state": lambda: ostinato.GRU(
        4, 6, layer_norm=True, learned_initial_state=True, zoneout=0.1
    ).eval(),
}


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_torch_compile_makes_one_graph_that_is_right_at_every_shape(
    name: str, marked: bool
) -> None:
    torch._dynamo.reset()
    layer = LAYERS[name]()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager", dynamic=True)
    for samples, time in ((3, 5), (2, 7), (9, 3)):
        inputs = torch.randn(samples, time, 4, requires_grad=True)
        options = (
            {
                "lengths": torch.randint(0, time + 1, (samples,)),
                "resets": torch.rand(samples, time) < 0.3,
            }
            if marked
            else {}
        )
        leaves = [inputs, *layer.parameters()]
        found = gradients(compiled, leaves, **options)
        torch.testing.assert_close(found, gradients(layer, leaves, **options))


def test_the_graph_has_no_breaks_and_names_the_operator_once_a_direction() -> None:
    torch._dynamo.reset()
    layer = ostinato.LSTM(4, 6, 2, bidirectional=True)
    report = torch._dynamo.explain(layer)(torch.randn(2, 3, 4))
    assert (report.graph_break_count, report.graph_count) == (0, 1)
    nodes = [node.target for node in report.graphs[0].graph.nodes]
    assert nodes.count(FORWARD) == 4


def test_a_compiled_layer_follows_its_cell_when_an_option_changes() -> None:
    torch._dynamo.reset()
    cell = Scaled(4)
    layer = ostinato.Recurrent([cell])
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    inputs = torch.randn(2, 3, 4)
    first = compiled(inputs)[0]
    cell.scale = 3.0
    second = compiled(inputs)[0]
    torch.testing.assert_close(second, unroll(cell, inputs, engine="reference").outputs)
    assert not torch.equal(first, second)


def test_a_compiled_graph_can_be_gone_through_twice() -> None:
    torch._dynamo.reset()
    layer = ostinato.LSTM(4, 6)
    total = torch.compile(layer, backend="aot_eager")(torch.randn(2, 3, 4))[0].square().sum()
    weights = list(layer.parameters())
    first = torch.autograd.grad(total, weights, retain_graph=True)
    assert all(map(torch.equal, first, torch.autograd.grad(total, weights)))


def test_what_cannot_be_compiled_still_makes_one_graph() -> None:
    torch._dynamo.reset()
    layer = ostinato.Recurrent([Sorting(3)])
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    inputs = torch.randn(2, 4, 3)
    lengths = torch.tensor([4, 2])
    torch.testing.assert_close(compiled(inputs)[0], layer(inputs)[0])
    found = compiled(inputs, lengths=lengths)[0]
    torch.testing.assert_close(found, layer(inputs, lengths=lengths)[0])


class Marked(torch.nn.Module):
    """A layer with lengths and resets as plain arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = ostinato.LSTM(4, 6, 2, bidirectional=True)

    def forward(self, inputs: Tensor, lengths: Tensor, resets: Tensor) -> Tensor:
        return self.layer(inputs, lengths=lengths, resets=resets)[0]


@pytest.mark.parametrize("strict", [False, True])
def test_an_exported_layer_is_right_at_every_batch_and_time(strict: bool) -> None:
    module = Marked()
    some = torch.export.Dim.DYNAMIC
    shapes = ({0: some, 1: some}, {0: some}, {0: some, 1: some})
    exported = torch.export.export(module, draw_marked(3, 5), dynamic_shapes=shapes, strict=strict)
    operators = [node.target for node in exported.run_decompositions().graph.nodes]
    assert operators.count(FORWARD) == 4
    for samples, time in ((3, 5), (2, 7), (1, 1)):
        given = draw_marked(samples, time)
        torch.testing.assert_close(exported.module()(*given), module(*given))


def draw_marked(samples: int, time: int) -> tuple[Tensor, Tensor, Tensor]:
    lengths = torch.randint(0, time + 1, (samples,))
    return torch.randn(samples, time, 4), lengths, torch.rand(samples, time) < 0.3


def test_an_exported_layer_comes_back_from_a_file() -> None:
    module, given = Marked(), draw_marked(2, 3)
    file = io.BytesIO()
    torch.export.save(torch.export.export(module, given), file)
    file.seek(0)
    torch.testing.assert_close(torch.export.load(file).module()(*given), module(*given))


# ---- copies and processes


class Scaled(Cell):
    """A cell of one's own, with an option."""

    def __init__(self, size: int) -> None:
        super().__init__(size, size)
        self.weight_hh = self.weight(size, size)
        self.scale = 2.0

    def step(self, projected: Tensor, hidden: Tensor, state: HiddenState) -> Any:
        hidden = torch.tanh(self.scale * projected + hidden @ self.weight_hh.T)
        return hidden, HiddenState(hidden)


class Sorting(Cell):
    """A cell of one's own that no loop of ours knows."""

    def __init__(self, size: int) -> None:
        super().__init__(size, size)
        self.bias = self.weight(size)

    def step(self, projected: Tensor, hidden: Tensor, state: HiddenState) -> Any:
        ordered = torch.tanh(projected + hidden).sort(-1).values
        return ordered, HiddenState(ordered)


def train(layer: Any, inputs: Tensor) -> list[Any]:
    layer(inputs)[0].square().mean().backward()
    return [part.grad.numpy() for part in layer.parameters()]


def send_gradients(queue: Any, layer: Any, inputs: Tensor) -> None:
    torch.set_num_threads(1)
    queue.put(train(layer, inputs))


def send_distributed_gradients(
    queue: Any, layer: Any, inputs: Tensor, meeting: str, rank: int
) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    parallel = torch.nn.parallel.DistributedDataParallel(layer)
    queue.put(train(parallel, inputs[2 * rank : 2 * rank + 2]))
    # It must go before the group does: torch may wait for itself for ever otherwise.
    del parallel
    distributed.barrier()
    distributed.destroy_process_group()


def test_a_layer_is_copied_and_pickled_after_use() -> None:
    layer = ostinato.Recurrent([Scaled(4)])
    inputs = torch.randn(2, 3, 4)
    outputs = layer(inputs)[0]
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(twin(inputs)[0], outputs)
    assert list(layer.state_dict()) == ["cells.0.weight_hh"]


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.nightly)])
def test_another_process_runs_a_layer_after_use(method: str) -> None:
    layer = ostinato.Recurrent([Scaled(4)])
    inputs = torch.randn(2, 3, 4)
    expected = train(copy.deepcopy(layer), inputs)
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    process = context.Process(target=send_gradients, args=(queue, layer, inputs))
    process.start()
    found = queue.get()
    process.join()
    assert process.exitcode == 0
    torch.testing.assert_close(found, expected)


@pytest.mark.nightly
def test_two_processes_train_one_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    layer = ostinato.LSTM(4, 6)
    inputs = torch.randn(4, 3, 4)
    expected = train(copy.deepcopy(layer), inputs)
    meeting = f"file://{tmp_path / 'meeting'}"
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    jobs = [
        context.Process(
            target=send_distributed_gradients, args=(queue, layer, inputs, meeting, rank)
        )
        for rank in range(2)
    ]
    for job in jobs:
        job.start()
    found = [queue.get() for _ in jobs]
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0, 0]
    torch.testing.assert_close(found, [expected, expected])


def test_the_package_does_not_bring_torch_s_compiler_along() -> None:
    program = "import ostinato.layers, sys; print('torch._dynamo' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert found.stdout.decode().strip() == "False"


# ---- autocast


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("make", [ostinato.LSTM, ostinato.GRU, ostinato.RNN])
def test_autocast_computes_in_single_precision_and_returns_the_lower_one(
    make: Any, kind: torch.dtype
) -> None:
    layer = make(4, 6, engine="compiled", products="float32")
    inputs = torch.randn(2, 3, 4).to(kind)
    exact, state = layer(inputs.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs, final = layer(inputs)
        loss = outputs.float().square().sum()
    assert outputs.dtype == torch.bfloat16
    assert torch.equal(outputs, exact.bfloat16())
    assert all(map(torch.equal, tensors(final), tensors(state)))
    found = torch.autograd.grad(loss, list(layer.parameters()))
    plain = torch.autograd.grad(exact.square().sum(), list(layer.parameters()))
    torch.testing.assert_close(found, plain, rtol=0.05, atol=0.05)


def test_autocast_within_a_compiled_graph_gives_the_same() -> None:
    torch._dynamo.reset()
    layer = ostinato.LSTM(4, 6)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    inputs = torch.randn(2, 3, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(compiled(inputs)[0], layer(inputs)[0])


def test_a_layer_says_that_it_runs_compiled_under_autocast() -> None:
    layer = ostinato.LSTM(4, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (choice,) = layer.engine_choices()
        assert layer(torch.randn(2, 3, 4).bfloat16())[0].dtype == torch.bfloat16
    assert choice.engine == "compiled"
