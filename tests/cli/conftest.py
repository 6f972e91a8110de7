"""A short text, and a run trained on it once for every test that only reads it."""

from pathlib import Path

import pytest

from ostinato.cli.main import main


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "clock.txt"
    path.write_text("the clock ticks and the clock tocks\n" * 60, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def small_options(text_file: Path) -> list[str]:
    """Options of a training that takes less than a second."""
    return [
        *("--data", str(text_file), "--cache-dir", str(text_file.parent / "cache")),
        *("--hidden-size", "8", "--batch-size", "4", "--window", "16", "--updates", "4"),
        *("--device", "cpu", "--threads", "1"),
    ]


@pytest.fixture(scope="session")
def trained_run(small_options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "clock"
    assert main(["train", "text", *small_options, "--run", str(folder)]) == 0
    return folder
