"""A run killed at any moment, for real, ends as if it had never been."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ostinato.checkpoint import load_checkpoint

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
OSTINATO = [sys.executable, "-m", "ostinato.cli"]
SETTINGS = {
    "hidden-size": 16,
    "layers": 2,
    "dropout": 0.2,
    "output-dropout": 0.2,
    "zoneout": 0.1,
    "window": 16,
    "update-every": 12,
    "batch-size": 4,
    "updates": 160,
    "validate-every": 100,
    "checkpoint-every": 20,
    "threads": 1,
    "validation-fraction": 0.05,
}
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


def flags(settings: dict[str, object]) -> list[str]:
    """Settings as options of the command line."""
    return [word for name, value in settings.items() for word in (f"--{name}", str(value))]


def command(text: Path, folder: Path, cache: Path, *more: str) -> list[str]:
    options = flags(SETTINGS)
    files = ["--data", str(text), "--run", str(folder), "--cache-dir", str(cache)]
    return ["train", "text", *files, *options, *more]


def run(*arguments: str) -> None:
    finished(OSTINATO, arguments)


def finished(program: list[str], arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [*program, *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]


def start(arguments: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [*OSTINATO, *arguments], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.exists()


def last_weights(folder: Path) -> dict[str, torch.Tensor]:
    name = (folder / "checkpoints" / "last").read_text()
    return load_checkpoint(folder / "checkpoints" / name).tensors["model"]


def assert_same_weights(one: Path, other: Path) -> None:
    expected = last_weights(other)
    assert all(torch.equal(value, expected[name]) for name, value in last_weights(one).items())


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def whole(text: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run(*command(text, folder, cache))
    return folder


@pytest.mark.parametrize(
    ("moment", "workers"),
    [
        ("config.toml", "0"),
        ("metrics.jsonl", "0"),
        ("checkpoints/last", "0"),
        ("checkpoints/last", "2"),
    ],
)
def test_a_killed_run_resumed_ends_bit_identical(
    text: Path, cache: Path, whole: Path, tmp_path: Path, moment: str, workers: str
) -> None:
    folder = tmp_path / "run"
    process = start(command(text, folder, cache, "--workers", workers))
    wait_for(folder / moment, process)
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run("resume", str(folder))
    assert_same_weights(folder, whole)


def transformer(text: Path, folder: Path, cache: Path) -> list[str]:
    """A Transformer that carries its cache from window to window."""
    only_recurrent = {"zoneout"}
    settings = {name: value for name, value in SETTINGS.items() if name not in only_recurrent}
    options = flags(settings | {"model": "transformer", "heads": 2, "context": 40, "updates": 60})
    files = ["--data", str(text), "--run", str(folder), "--cache-dir", str(cache)]
    return ["train", "text", *files, *options]


def test_a_killed_transformer_resumed_ends_bit_identical(
    text: Path, cache: Path, tmp_path: Path
) -> None:
    run(*transformer(text, tmp_path / "whole", cache))
    process = start(transformer(text, tmp_path / "cut", cache))
    wait_for(tmp_path / "cut" / "checkpoints" / "last", process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run("resume", str(tmp_path / "cut"))
    assert_same_weights(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_writes_a_checkpoint_and_exits_with_its_code(
    text: Path, cache: Path, whole: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    folder = tmp_path / "run"
    process = start(command(text, folder, cache))
    wait_for(folder / "metrics.jsonl", process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"Traceback" not in errors
    run("resume", str(folder))
    assert_same_weights(folder, whole)


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
