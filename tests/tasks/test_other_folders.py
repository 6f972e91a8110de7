"""A run that was started in one folder goes on from any other."""

import os
from pathlib import Path

import pytest

from ostinato.errors import DataError
from ostinato.tasks.run_folder import CONFIG
from ostinato.tasks.text.settings import TextSettings
from ostinato.tasks.text.task import load_run, resume, train_text
from ostinato.tasks.toml import read_toml


@pytest.fixture
def run(text: Path, quick: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run on `book.txt`, named relative to the folder `started`, seen from the folder `other`."""
    (tmp_path / "started").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "started" / "book.txt").write_bytes(text.read_bytes())
    monkeypatch.chdir(tmp_path / "started")
    train_text("book.txt", run="run", **(quick | {"updates": 2, "cache_dir": "cache"}))
    monkeypatch.chdir(tmp_path / "other")
    return tmp_path / "started" / "run"


def test_it_is_resumed(run: Path) -> None:
    assert resume(run).folder == run


def test_its_text_is_read_again_for_its_figures(run: Path) -> None:
    (run.parent / "cache").rename(run.parent / "lost")
    assert load_run(run).evaluate()["tokens"] > 900


def test_its_settings_name_every_path_as_it_is_found_from_anywhere(run: Path) -> None:
    values = read_toml(run / CONFIG, TextSettings)
    assert values["data"] == (str(run.parent / "book.txt"),)
    assert values["cache_dir"] == run.parent / "cache"
    assert values["run"] == run


def test_a_text_that_moved_is_refused_with_what_to_do(run: Path) -> None:
    (run.parent / "book.txt").rename("book.txt")
    with pytest.raises(DataError, match=r"cannot be read again.*write in .*config.toml"):
        resume(run)


def test_a_run_of_an_older_version_is_resumed_where_it_was_started(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = run / CONFIG
    config.write_text(config.read_text().replace(f"{run.parent}{os.sep}", ""))
    monkeypatch.chdir(run.parent)
    assert resume("run").folder == Path("run")
