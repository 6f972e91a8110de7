"""What was traced is kept on the disk, for our own cells, and is what tracing finds."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from every_cell import CELLS

import ostinato
from ostinato.cells import min_gru
from ostinato.engine import cache, disk, kinds, lasting
from ostinato.engine.cache import CellView
from ostinato.engine.lasting import lasting_name
from ostinato.engine.stages import cut_into_stages
from ostinato.engine.trace import Form, trace
from ostinato.engine.trace_text import text_of, traced_from

FORMS = {
    "plain": Form(),
    "resets": Form(resets=True, learned=True),
    "noise": Form(masked=True, kept="steps"),
    "watched": Form(all_states=True, watched=True),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for what is kept, and a process that knows nothing yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    disk.own_folder.cache_clear()
    cache.forget()
    yield tmp_path / "ostinato" / "steps"  # pyright: ignore[reportReturnType]
    disk.own_folder.cache_clear()
    cache.forget()


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("name", CELLS)
def test_a_traced_step_is_read_as_it_was_written(name: str, form: Form) -> None:
    cell = CELLS[name](3, 4)
    try:
        traced = trace(cell, CellView(cell).parameters, form)
    except ostinato.engine.CannotCompileError:
        pytest.skip("this cell takes no such noise")
    text = text_of(traced)
    read = traced_from(text)
    assert text_of(read) == text
    assert list(map(repr, read.program.nodes)) == list(map(repr, traced.program.nodes))
    flows = [node.from_gradient for node in traced.program.nodes]
    assert [node.from_gradient for node in read.program.nodes] == flows
    planned, as_traced = (
        cut_into_stages(read, backward=True),
        cut_into_stages(traced, backward=True),
    )
    assert planned.buffers == as_traced.buffers
    assert planned.outer_products == as_traced.outer_products
    assert repr(planned.backward.stores) == repr(as_traced.backward.stores)  # pyright: ignore


@pytest.mark.parametrize("name", CELLS)
def test_a_process_does_not_trace_what_another_has(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = CELLS[name](3, 4)
    view = CellView(cell)
    kind = cache.kind_of(view, Form())
    assert len(list(folder.iterdir())) == 1
    cache.forget()
    kinds._KNOWN.clear()
    monkeypatch.setattr(kinds, "trace", Mock(side_effect=AssertionError("traced again")))
    again = cache.kind_of(view, Form())
    assert again is not kind
    assert again.key == kind.key


PROGRAM = """
import sys, torch, ostinato
torch.manual_seed(0)
output, _ = ostinato.GRU(3, 5, layer_norm=True)(torch.ones(2, 7, 3, requires_grad=True))
output.sum().backward()
print(output.sum().item(), "torch.fx.experimental.symbolic_shapes" in sys.modules)
"""


def test_a_second_process_computes_the_same_without_torch_s_tracer(folder: Path) -> None:
    said = [
        subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    (first, traced), (second, again) = (each.stdout.split() for each in said)
    assert first == second
    assert (traced, again) == ("True", "False")


def test_a_spoilt_trace_is_traced_and_written_anew(folder: Path) -> None:
    cell = ostinato.GRUCell(3, 4)
    cache.kind_of(CellView(cell), Form())
    (path,) = folder.iterdir()
    good = path.read_bytes()
    path.write_bytes(good[:-9])
    cache.forget()
    cache.kind_of(CellView(cell), Form())
    assert path.read_bytes() == good


def refuse(*_: Any, **__: Any) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


def test_a_cell_runs_where_nothing_can_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk.Path, "write_bytes", refuse)
    monkeypatch.setattr(disk.Path, "unlink", refuse)  # as a read-only disk answers, file or not
    cache.kind_of(CellView(ostinato.GRUCell(3, 4)), Form())
    assert list(folder.iterdir()) == []


class MyCell(ostinato.GRUCell):
    """A person's own."""


def my_step(self: Any, projected: Any, hidden: Any, state: Any) -> Any:
    return torch.tanh(projected[:, :4] + hidden), torch.tanh(hidden)


def name_of(cell: Any, form: Form | None = None) -> str | None:
    return lasting_name(CellView(cell).name(form or Form()))


def test_a_person_s_own_cell_is_traced_in_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert name_of(ostinato.GRUCell(3, 4)) is not None
    assert name_of(MyCell(3, 4)) is None
    with_a_function = ostinato.GRUCell(3, 4)
    with_a_function.mine = my_step  # pyright: ignore
    assert name_of(with_a_function) is None
    with_an_object = ostinato.GRUCell(3, 4)
    with_an_object.mine = object()  # pyright: ignore
    assert name_of(with_an_object) is None
    with_a_module = ostinato.GRUCell(3, 4)
    with_a_module.mine = type("Own", (torch.nn.Module,), {})()
    assert name_of(with_a_module) is None
    monkeypatch.setattr(ostinato.GRUCell, "step", my_step)
    assert name_of(ostinato.GRUCell(3, 4)) is None


def my_function(values: torch.Tensor) -> torch.Tensor:
    return 0 * values + 2


PLACES = {
    "a function of ours": (min_gru, "positive", my_function),
    "a function of torch": (torch, "sigmoid", my_function),
    "a method of torch": (torch.Tensor, "chunk", my_function),
    "a property": (ostinato.MinGRUCell, "recurrent_weights", property(my_function)),
    "a static method": (ostinato.MinGRUCell, "_split", staticmethod(my_function)),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_no_trace_is_kept_where_a_person_replaced_a_function(
    place: tuple[Any, str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = ostinato.MinGRUCell(3, 4)
    assert name_of(cell) is not None
    monkeypatch.setattr(*place, raising=False)
    assert name_of(cell) is None


def test_names_differ_where_steps_do() -> None:
    names = [
        name_of(ostinato.GRUCell(3, 4)),
        name_of(ostinato.GRUCell(3, 5)),
        name_of(ostinato.GRUCell(3, 4, reset="before")),
        name_of(ostinato.GRUCell(3, 4).double()),
        name_of(ostinato.GRUCell(3, 4), Form(resets=True)),
        name_of(ostinato.RNNCell(3, 4)),
        name_of(ostinato.RNNCell(3, 4, activation="relu")),
    ]
    assert len(set(names)) == len(names)
    assert name_of(ostinato.GRUCell(3, 4)) == names[0]


def test_code_that_is_not_there_or_was_changed_meanwhile_names_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, imported in ((tmp_path, lasting._IMPORTED), (lasting._OURS, 0.0)):
        monkeypatch.setattr(lasting, "_OURS", folder)
        monkeypatch.setattr(lasting, "_IMPORTED", imported)
        lasting._code.cache_clear()
        assert name_of(ostinato.GRUCell(3, 4)) is None
    lasting._code.cache_clear()


def test_a_file_put_there_since_names_nothing_however_old_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cell.py").write_text("")
    os.utime(tmp_path / "cell.py", (0, 0))
    monkeypatch.setattr(lasting, "_OURS", tmp_path)
    lasting._code.cache_clear()
    assert name_of(ostinato.GRUCell(3, 4)) is None
    lasting._code.cache_clear()
