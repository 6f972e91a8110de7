"""A small real text, and quick settings."""

from pathlib import Path
from pydoc_data.topics import topics

import pytest


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty thousand characters of real prose that every CPython carries."""
    path = tmp_path_factory.mktemp("text") / "topics.txt"
    path.write_text("\n".join(topics[name] for name in sorted(topics))[:20_000])
    return path


@pytest.fixture
def quick(tmp_path: Path) -> dict:
    """Settings that train in a second."""
    return {
        "hidden_size": 12,
        "window": 16,
        "update_every": 12,
        "batch_size": 4,
        "updates": 30,
        "validate_every": 15,
        "checkpoint_every": 5,
        "cache_dir": tmp_path / "cache",
        "threads": 1,
        "validation_fraction": 0.05,
    }
