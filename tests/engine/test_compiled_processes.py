"""Threads, forks, ends of processes, and memory after many calls."""

import gc
import multiprocessing
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from own_cells import FEATURES, Own, of_sum, reason_of

import ostinato
from ostinato.engine import unroll


@pytest.mark.parametrize("threads", [1, 2])
def test_several_python_threads_may_call_one_layer(threads: int) -> None:
    torch.set_num_threads(threads)
    layer, inputs = ostinato.LSTM(3, 4), torch.randn(9, 5, 3)
    expected, found = layer(inputs)[0].detach(), []

    def call() -> None:
        for _ in range(20):
            outputs = layer(inputs)[0]
            torch.autograd.grad(outputs.sum(), layer.cells[0].weight_hh)
            found.append(outputs.detach())

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(found) == 80
    assert all(torch.allclose(outputs, expected, atol=1e-6) for outputs in found)


def test_several_python_threads_may_make_the_first_call() -> None:
    cell = Own(of_sum(lambda z: torch.tanh(z) * 0.123))
    calls = [
        threading.Thread(target=unroll, args=(cell, torch.ones(1, 2, 3)), kwargs={"engine": None})
        for _ in range(6)
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert reason_of(cell).startswith("compiled")


def test_a_forked_process_computes_what_its_parent_does() -> None:
    torch.set_num_threads(2)
    layer, inputs = ostinato.LSTM(3, 4), torch.randn(7, 5, 3)
    layer(inputs)
    child = multiprocessing.get_context("fork").Process(target=layer, args=(inputs,))
    child.start()
    child.join(30)
    assert child.exitcode == 0


def test_a_process_with_sleeping_helpers_ends() -> None:
    script = (
        "import ostinato, torch; torch.set_num_threads(2);"
        "ostinato.LSTM(3, 4)(torch.randn(7, 5, 3))[0].sum().backward()"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, b"")


def resident_kilobytes() -> int:
    gc.collect()
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux for its memory")
def test_three_thousand_calls_leave_no_memory_behind() -> None:
    layer, inputs = ostinato.LSTM(3, 4), torch.randn(4, 6, 3)
    lengths = torch.tensor([6, 3, 2, 0])

    def call(times: int) -> None:
        for _ in range(times):
            layer(inputs, lengths=lengths)
            layer(inputs)[0].sum().backward()

    call(200)
    before = resident_kilobytes()
    call(1500)
    assert resident_kilobytes() - before < 3000


def test_a_call_that_falls_back_lets_its_inputs_go() -> None:
    layer = ostinato.Recurrent([Own(of_sum(F.silu))])
    inputs = torch.randn(2, 3, FEATURES)
    held = weakref.ref(inputs)
    layer(inputs)
    del inputs
    gc.collect()
    assert held() is None


def test_a_cell_that_ran_is_let_go() -> None:
    layer = ostinato.Recurrent([Own(of_sum(torch.sigmoid))])
    held = weakref.ref(layer.cells[0].weight_hh)  # pyright: ignore
    layer(torch.randn(2, 3, FEATURES))
    del layer
    gc.collect()
    assert held() is None


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux for its memory")
@pytest.mark.parametrize("threads", [1, 2])
def test_ten_thousand_calls_of_all_kinds_leave_no_memory_behind(threads: int) -> None:
    torch.set_num_threads(threads)
    layer, inputs = ostinato.LSTM(3, 4), torch.randn(4, 6, 3)
    lengths, resets = torch.tensor([6, 3, 2, 0]), torch.rand(4, 6) < 0.3

    def call(times: int) -> None:
        for _ in range(times):
            layer(inputs, lengths=lengths)
            layer(inputs, resets=resets)[0].sum().backward()
            layer(inputs)[0].relu_().sum().backward()

    call(500)
    before = resident_kilobytes()
    call(10_000)
    assert resident_kilobytes() - before < 3000


def test_other_threads_run_known_cells_while_one_is_traced() -> None:
    layer, inputs, found = ostinato.LSTM(3, 4), torch.randn(2, 5, 3), []
    expected = layer(inputs)[0]
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            found.append(bool(torch.equal(layer(inputs)[0], expected)))

    running = threading.Thread(target=go_on)
    running.start()
    traced = [reason_of(Own(of_sum(lambda z, n=n: torch.tanh(z) * n))) for n in range(3)]
    stop.set()
    running.join()
    assert all(reason.startswith("compiled") for reason in traced)
    assert found
    assert all(found)
