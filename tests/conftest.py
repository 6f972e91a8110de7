"""What every test shares: one thread, a fixed seed, and the folder of real data."""

import os
from pathlib import Path

import pytest
import torch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The samples of the pages, the longest file, first: no process ends alone with them."""
    items.sort(key=lambda item: "docs" not in item.path.parts)


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder named by OSTINATO_DATA; tests that need it are skipped where there is none."""
    folder = os.environ.get("OSTINATO_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("OSTINATO_DATA does not name a folder with the real data sets")
    return Path(folder)
