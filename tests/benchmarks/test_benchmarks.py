"""The benchmarks run: they can be imported, compare a small case, and make a table of it."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(path.stem for path in BENCHMARKS.glob("*.py"))


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def run(script: str, *options: object) -> str:
    command = [sys.executable, str(BENCHMARKS / f"{script}.py"), *map(str, options)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_benchmark_has_a_main_and_says_what_it_compares(script: str) -> None:
    module = importlib.import_module(script)
    assert callable(module.main)
    assert module.__doc__


def test_a_case_is_compared_recorded_and_put_in_the_table(tmp_path: Path) -> None:
    records, page = tmp_path / "records.jsonl", tmp_path / "page.md"
    told = run("engine", "--only", "RNN h=64", "--seconds", 0.05, "--records", records)
    assert "RNN h=64 n=4" in told
    record = json.loads(records.read_text())
    assert record["ratio"] == record["peer_seconds"] / record["our_seconds"]
    # The weights of the state and of the input, for 4 x 64 steps, forward and twice backward.
    products = 2 * 64 * 64 * 4 * 64 * 3
    assert 1e9 < products / record["limit_seconds"] < 1e12
    page.write_text("before\n<!-- table: written by table.py -->\n<!-- end of table -->\nafter\n")
    run("table", "--records", records, "--into", page)
    assert "| RNN h=64 n=4 | nn.RNN |" in page.read_text()
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("\nafter\n")


def test_the_latest_record_of_a_case_counts() -> None:
    records = importlib.import_module("peers.records")
    turns = importlib.import_module("peers.turns").Turns(1.0, 2.0, 2.0, 2.0, 1)
    old = records.Record.of("engine", "a case", "a peer", 1, turns)
    other = records.Record.of("engine", "a case", "a peer", 2, turns)
    new = records.Record.of("engine", "a case", "a peer", 1, turns._replace(fastest=3.0))
    assert records.latest([old, other, new]) == [new, other]


def test_results_that_differ_are_refused() -> None:
    check_agreement = importlib.import_module("peers.comparison").check_agreement
    check_agreement({"a": torch.tensor([1.0, 100.0])}, {"a": torch.tensor([1.05, 100.0])}, 1e-3)
    with pytest.raises(AssertionError):
        check_agreement(torch.tensor([1.0, 100.0]), torch.tensor([1.2, 100.0]), 1e-3)


def test_a_peer_without_an_environment_is_missing_with_the_way_to_make_it() -> None:
    elsewhere = importlib.import_module("peers.elsewhere")
    with pytest.raises(elsewhere.PeerMissingError, match=r"scripts/peer-environment nothing"):
        elsewhere.Elsewhere("nothing", {}, {}, 1)


def test_curves_are_drawn(tmp_path: Path) -> None:
    picture, data = tmp_path / "curves.png", tmp_path / "curves.json"
    run("curves", "--output", picture, "--data", data, "--seconds", 0.01, "--largest", 4)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(json.loads(data.read_text())) == 3 * 4  # T = 4 and n = 1, 2, 4 of three cells
