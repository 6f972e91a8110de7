"""A run killed at any moment, for real, ends as if it had never been."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from real_runs import ENVIRONMENT, OSTINATO, assert_same_weights, flags, run

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


def command(text: Path, folder: Path, cache: Path, *more: str) -> list[str]:
    options = flags(SETTINGS)
    files = ["--data", str(text), "--run", str(folder), "--cache-dir", str(cache)]
    return ["train", "text", *files, *options, *more]


def start(arguments: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [*OSTINATO, *arguments], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.exists()


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
