"""Checkpoints that cannot be half written and cannot go bad unnoticed.

A checkpoint is a folder of safetensors files and a `manifest.json` with the SHA-256 of each, the
format's version and whatever else its writer wants to remember; the manifest has a SHA-256 of its
own. It is written beside its place, flushed to disk and renamed, so that a reader finds all of it
or nothing. Pointers (`last`, `best`) are one-line files replaced in the same way.
"""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ostinato.errors import CheckpointError

FORMAT_VERSION = 2
"""Since 2 the manifest proves itself; 1 is read still."""
MANIFEST = "manifest.json"
_ANOTHER = "; use another checkpoint of this run: write its name into `best` and `last` beside it"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds: groups of named tensors, and the writer's manifest."""

    tensors: dict[str, dict[str, Tensor]]
    manifest: dict[str, Any]


def save_checkpoint(
    folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], manifest: Mapping[str, Any]
) -> None:
    """Write a checkpoint so that at every instant `load_checkpoint` finds a complete one.

    Args:
        folder: where it will lie. One that lies there already is replaced; until the new one is in
            its place, the old one can be read.
        tensors: groups of named tensors, each group a file. Tensors that share their memory, as
            tied weights do, are stored once, and the tie is recorded.
        manifest: anything that JSON can hold; NaN and infinity are not among it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f"{folder.name}.writing-{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    files, ties = {}, {}
    for group, named in tensors.items():
        stored, ties[group] = _untie(named)
        path = beside / f"{group}.safetensors"
        _save_tensors(stored, path)
        _flush(path)
        files[path.name] = _sha256(path)
    content = {"format": FORMAT_VERSION, "files": files, "ties": ties, "content": dict(manifest)}
    content = json.loads(json.dumps(content, allow_nan=False))  # as it will be read
    content["sha256"] = _sha256_of(content)
    write_text(beside / MANIFEST, json.dumps(content, indent=1))
    _put_in_place(beside, folder)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint and prove that it is what was written.

    Raises:
        CheckpointError: it is missing, damaged, or written by a newer version.
    """
    folder = _complete_one(folder)
    content = _read_manifest(folder)
    tensors = {}
    for name, expected in content["files"].items():
        path = folder / name
        group = _read_group(path, expected)
        for name_of_copy, original in content["ties"][path.stem].items():
            group[name_of_copy] = group[original]
        tensors[path.stem] = group
    return Checkpoint(tensors, content["content"])


def write_text(path: Path, text: str) -> None:
    """Write a small text file beside its place, flush it and rename it there."""
    beside = path.with_name(f"{path.name}.writing-{os.getpid()}")
    with open(beside, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
    _flush(path.parent)


def _save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """A file of tensors, readable for whom any new file of this person is."""
    path.touch()
    mode = stat.S_IMODE(path.stat().st_mode)
    save_file(tensors, path)
    path.chmod(mode)  # safetensors gives its files to their owner alone


def _read_group(path: Path, expected: str) -> dict[str, Tensor]:
    """The tensors of a file whose SHA-256 must be the one expected."""
    try:
        if _sha256(path) != expected:
            raise CheckpointError(
                f"{path} is damaged: its SHA-256 is not the one its manifest names{_ANOTHER}"
            )
        return load_file(path)
    except FileNotFoundError as problem:
        raise CheckpointError(f"{path} is missing{_ANOTHER}") from problem
    except (OSError, SafetensorError) as problem:
        raise CheckpointError(f"{path} cannot be read: {problem}") from problem


def _put_in_place(beside: Path, folder: Path) -> None:
    """Rename `beside` to `folder`; one that was there steps aside until then, and goes after."""
    replaced = _replaced(folder)
    if folder.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        folder.rename(replaced)
    beside.rename(folder)
    _flush(folder.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def _complete_one(folder: Path) -> Path:
    """`folder`, or the one that had stepped aside when its writer was killed."""
    replaced = _replaced(folder)
    return replaced if replaced.is_dir() and not folder.is_dir() else folder


def _replaced(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.replaced")


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["format"]
    except FileNotFoundError as problem:
        raise CheckpointError(f"there is no checkpoint in {folder}") from problem
    except (ValueError, KeyError, TypeError) as problem:
        raise CheckpointError(f"{path} is damaged: {problem}") from problem
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{folder} has format {version} and this version of Ostinato reads up to "
            f"{FORMAT_VERSION}; install a newer one"
        )
    if version != 1 and content.pop("sha256", None) != _sha256_of(content):
        raise CheckpointError(f"{path} is damaged: it is not what was written{_ANOTHER}")
    return content


def _untie(named: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors with no memory in common, and which name repeats which."""
    stored: dict[str, Tensor] = {}
    ties: dict[str, str] = {}
    seen: dict[tuple[Any, ...], str] = {}
    for name, tensor in named.items():
        tensor = tensor.detach()
        key = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and key in seen:
            ties[name] = seen[key]
        else:
            seen[key] = name
            stored[name] = tensor.cpu().contiguous().clone()
    return stored, ties


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of what JSON can hold, however it is laid out."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _flush(path: Path) -> None:
    """Ask the system to put a file or a folder's entries on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
