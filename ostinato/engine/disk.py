"""What the engine keeps from one process to the next: in folders that only their owner can write,
each file with a digest of its contents, and nothing that has to be there.
"""

import hashlib
import os
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path

_DIGEST_BYTES = 32
_MOST_FILES = 10_000
"""Of a folder: each version of the package writes its own."""


@cache
def own_folder(name: str) -> Path | None:
    """A folder of the cache, or None where there is none that only its owner can write."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = base / "ostinato" / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except (OSError, RuntimeError):
        return None
    others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return folder if mine and not others_write else None


def read_kept(path: Path) -> bytes | None:
    """What was kept at `path`, or None if there is nothing or it is not what was written."""
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    digest, contents = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
    return contents if hashlib.sha256(contents).digest() == digest else None


def keep(path: Path, contents: bytes) -> None:
    """Write a file that `read_kept` reads, whole or not at all; where it cannot be, nothing."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(hashlib.sha256(contents).digest() + contents)
        beside.replace(path)
        _make_room(path.parent)
    except OSError:
        # Where nothing can be written, nothing can be taken away, not even what is not there.
        with suppress(OSError):
            beside.unlink(missing_ok=True)


@cache
def _make_room(folder: Path) -> None:
    """Take the older half of very many files away; looked at once in a process."""
    files = list(folder.iterdir())
    if len(files) > _MOST_FILES:
        for file in sorted(files, key=lambda file: file.stat().st_mtime)[: len(files) // 2]:
            file.unlink(missing_ok=True)
