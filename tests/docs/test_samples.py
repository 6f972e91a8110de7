"""What the README and the documentation print does run, and prints what they show."""

import os
from pathlib import Path

import pytest
from samples import PAGES, run_page

YOUR_TEXT = "It was a dark and stormy night; the rain fell in torrents.\n" * 50


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_samples_of_the_page_run(
    page: Path, programs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-book.txt").write_text(YOUR_TEXT)
    run_page(page)
