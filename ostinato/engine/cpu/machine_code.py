"""LLVM IR to machine code, kept in the process and in a folder that only its owner can write."""

import hashlib
import os
import stat
from functools import cache
from pathlib import Path
from typing import Any

from ostinato.engine.cpu.target import Target

_DIGEST_BYTES = 32


class MachineCode:
    """A compiled module. It must live as long as any address of it is used."""

    def __init__(self, text: str, target: Target) -> None:
        import llvmlite.binding as llvm

        _initialise()
        module = llvm.parse_assembly(text)
        self._machine = _target_machine(target)
        self._engine = llvm.create_mcjit_compiler(module, self._machine)
        path = _place(text, target)
        stored = None if path is None else _read(path)
        if stored is None:
            _optimise(module, self._machine)
        if path is not None:
            self._engine.set_object_cache(
                lambda _, made: _write(path, made) if stored is None else None,
                lambda _: stored,
            )
        self._engine.finalize_object()

    def address(self, function: str) -> int:
        """Where a function begins."""
        return self._engine.get_function_address(function)


@cache
def machine_code(text: str, target: Target) -> MachineCode:
    """The machine code of what many share: compiled once, kept as long as the process lives."""
    return MachineCode(text, target)


@cache
def _initialise() -> None:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _target_machine(target: Target) -> Any:
    import llvmlite.binding as llvm

    triple = llvm.Target.from_default_triple()
    return triple.create_target_machine(opt=3, cpu=target.processor, features=target.features)


def _optimise(module: Any, machine: Any) -> None:
    import llvmlite.binding as llvm

    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    builder.getModulePassManager().run(module, builder)


def _place(text: str, target: Target) -> Path | None:
    """Where the code of this module lies on disk: named after everything it was made from."""
    import llvmlite

    folder = _folder()
    if folder is None:
        return None
    made_from = (text, target.processor, target.features, llvmlite.__version__)
    key = hashlib.sha256("\0".join(made_from).encode()).hexdigest()
    return folder / f"{key}.o"


@cache
def _folder() -> Path | None:
    """The cache folder, or None where there is none that only its owner can write."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = base / "ostinato" / "code"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except (OSError, RuntimeError):
        return None
    others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return folder if mine and not others_write else None


def _read(path: Path) -> bytes | None:
    """The code at `path`, or None if there is none or it is not what was written."""
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    digest, code = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
    return code if hashlib.sha256(code).digest() == digest else None


def _write(path: Path, code: bytes) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(hashlib.sha256(code).digest() + code)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
