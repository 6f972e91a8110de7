"""A machine without something that the compiled engine asks for."""

import os
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

import ostinato
from ostinato.engine import disk
from ostinato.engine.cpu import machine_code, target


def test_without_llvmlite_a_layer_runs_on_another_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    target.host_target.cache_clear()
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    layer = ostinato.LSTM(3, 5)
    assert layer(torch.randn(2, 3, 3))[0].shape == (2, 3, 5)
    assert layer.engine_choices()[0].engine != "compiled"


def test_a_broken_llvmlite_is_named_and_another_engine_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(target, "_PROBLEM", [])
    monkeypatch.setattr(target, "host_target", Mock(side_effect=OSError("no libllvmlite.so")))
    layer = ostinato.GRU(3, 5)
    assert layer(torch.randn(2, 3, 3))[0].shape == (2, 3, 5)
    (choice,) = layer.engine_choices()
    assert choice.engine != "compiled"
    assert "llvmlite, which writes machine code, does not work here: no lib" in choice.reason


def test_without_a_home_there_is_no_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", Mock(side_effect=RuntimeError("no home")))
    assert disk.own_folder.__wrapped__("code") is None


def test_a_cache_folder_that_is_a_file_or_that_others_write_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "ostinato").touch()
    assert disk.own_folder.__wrapped__("code") is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "open"))
    (tmp_path / "open" / "ostinato" / "code").mkdir(parents=True)
    (tmp_path / "open" / "ostinato" / "code").chmod(0o777)
    assert disk.own_folder.__wrapped__("code") is None


def test_of_very_many_files_the_older_half_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_MOST_FILES", 5)
    for age in range(5):
        disk.keep(tmp_path / f"{age}", b"code")
        os.utime(tmp_path / f"{age}", (age, age))
    assert len(list(tmp_path.iterdir())) == 5
    disk._make_room.cache_clear()  # as in another process
    disk.keep(tmp_path / "new", b"code")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["3", "4", "new"]
    assert disk.read_kept(tmp_path / "new") == b"code"


SPOILT = {"junk": b"junk" * 99, "cut off": bytes(40), "empty": b""}


@pytest.mark.parametrize("content", SPOILT.values(), ids=SPOILT)
def test_a_spoilt_file_in_the_cache_is_written_anew(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, portable = "define i64 @seven() { ret i64 7 }", target.portable_target()
    monkeypatch.setattr(machine_code, "own_folder", lambda _: tmp_path)
    machine_code.MachineCode(text, portable)
    (path,) = tmp_path.iterdir()
    good = path.read_bytes()
    path.write_bytes(content)
    assert machine_code.MachineCode(text, portable).address("seven")
    assert path.read_bytes() == good
