"""The folder in which tokenised corpora are kept, and how one gets there whole or not at all."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ostinato.errors import DataError

_SCRATCH_PREFIX = "unfinished-"
_STALE_S = 24 * 3600


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/ostinato`, or `~/.cache/ostinato`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ostinato"


def corpora_folder(cache: str | Path | None) -> Path:
    """Where corpora lie within a cache; made if it is not there.

    Raises:
        DataError: It cannot be made.
    """
    folder = (default_cache() if cache is None else Path(cache)) / "tokens"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"the cache {folder} cannot be made ({error.strerror}); name another folder for it, "
            "as with the environment variable XDG_CACHE_HOME"
        ) from error
    return folder


@contextmanager
def scratch_folder(corpora: Path) -> Iterator[Path]:
    """A new folder beside the corpora, removed at the end with all that is still in it."""
    _remove_stale(corpora)
    scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH_PREFIX, dir=corpora))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def publish(finished: Path, folder: Path) -> None:
    """Moves a finished corpus to its place; if another process was first, its equal one stays."""
    _sync_folder(finished)
    try:
        finished.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    _sync_folder(folder.parent)


def set_aside(folder: Path, scratch: Path) -> None:
    """Moves a damaged corpus into a scratch folder, to be removed with it."""
    if folder.exists():
        folder.rename(scratch / "damaged")


def _remove_stale(corpora: Path) -> None:
    """Removes the scratch folders of killed processes: nothing was written there for a day."""
    for scratch in corpora.glob(f"{_SCRATCH_PREFIX}*"):
        times = [path.stat().st_mtime for path in (scratch, *scratch.rglob("*")) if path.exists()]
        if times and time.time() - max(times) > _STALE_S:
            shutil.rmtree(scratch, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
