"""Two processes train as one, and go on as one."""

import sys
from pathlib import Path

import pytest
import torch
from real_runs import assert_same_weights, finished, flags, last_weights, run

PLAIN = {
    "hidden-size": 16,
    "window": 16,
    "batch-size": 4,
    "validate-every": 10,
    "checkpoint-every": 10,
    "threads": 1,
    "validation-fraction": 0.05,
    "optimiser": "sgd",
    "learning-rate": 0.5,
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def run_in_two(*arguments: str) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
    program = ["--local-addr", "127.0.0.1", "-m", "--", "ostinato.cli"]
    finished([*torchrun, *meeting, *program], arguments)


def plain(text: Path, folder: Path, cache: Path, updates: str) -> list[str]:
    options = flags(PLAIN)
    files = ["--data", str(text), "--run", str(folder), "--cache-dir", str(cache)]
    return ["train", "text", *files, *options, "--updates", updates]


def test_two_processes_train_as_one_with_the_same_batch(
    text: Path, cache: Path, tmp_path: Path
) -> None:
    run(*plain(text, tmp_path / "one", cache, "20"))
    run_in_two(*plain(text, tmp_path / "two", cache, "20"))
    expected = last_weights(tmp_path / "one")
    for name, value in last_weights(tmp_path / "two").items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-6)


def test_two_processes_resume_bit_identical(text: Path, cache: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run_in_two(*plain(text, whole, cache, "20"), "--output-dropout", "0.2")
    run_in_two(*plain(text, cut, cache, "10"), "--output-dropout", "0.2")
    config = cut / "config.toml"
    config.write_text(config.read_text().replace("updates = 10", "updates = 20"))
    run_in_two("resume", str(cut))
    assert_same_weights(cut, whole)
