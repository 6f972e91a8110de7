"""Checkpoints: complete or not there, proved by their hashes, ties kept."""

import json
import stat
from pathlib import Path

import pytest
import torch

from ostinato.checkpoint import MANIFEST, load_checkpoint, save_checkpoint
from ostinato.errors import CheckpointError


def save(folder: Path) -> dict[str, torch.Tensor]:
    weight = torch.randn(3, 4)
    tensors = {"a": weight, "tied": weight, "part": weight[1], "empty": torch.empty(0)}
    save_checkpoint(folder, {"model": tensors}, {"update": 7})
    return tensors


def test_everything_comes_back(tmp_path: Path) -> None:
    saved = save(tmp_path / "c")
    checkpoint = load_checkpoint(tmp_path / "c")
    assert checkpoint.manifest == {"update": 7}
    assert all(torch.equal(checkpoint.tensors["model"][name], saved[name]) for name in saved)


def test_tied_tensors_are_stored_once(tmp_path: Path) -> None:
    save(tmp_path / "c")
    manifest = json.loads((tmp_path / "c" / MANIFEST).read_text())
    assert manifest["ties"] == {"model": {"tied": "a"}}


def test_all_files_are_readable_for_whom_new_files_are(tmp_path: Path) -> None:
    (tmp_path / "new").touch()
    save(tmp_path / "c")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "c").iterdir()}
    assert modes == {stat.S_IMODE((tmp_path / "new").stat().st_mode)}


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    save(tmp_path / "c")
    path = tmp_path / "c" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged.* write its name into `best` and `last`"):
        load_checkpoint(tmp_path / "c")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    save(tmp_path / "c")
    (tmp_path / "c" / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model.safetensors is missing"):
        load_checkpoint(tmp_path / "c")


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "c")
    path = tmp_path / "c" / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(CheckpointError, match="install a newer one"):
        load_checkpoint(tmp_path / "c")


def test_a_folder_without_a_checkpoint_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        load_checkpoint(tmp_path)


def test_a_cut_manifest_is_damaged(tmp_path: Path) -> None:
    save(tmp_path / "c")
    path = tmp_path / "c" / MANIFEST
    path.write_text(path.read_text()[:20])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(tmp_path / "c")


def test_saving_again_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    save(tmp_path / "c")
    save(tmp_path / "c")
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
