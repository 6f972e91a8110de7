"""LLVM IR to machine code, kept in the process and on the disk."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from ostinato.engine.cpu.target import Target
from ostinato.engine.disk import keep, own_folder, read_kept


class MachineCode:
    """A compiled module. It must live as long as any address of it is used."""

    def __init__(self, text: str, target: Target) -> None:
        import llvmlite.binding as llvm

        _initialise()
        module = llvm.parse_assembly(text)
        self._machine = _target_machine(target)
        self._engine = llvm.create_mcjit_compiler(module, self._machine)
        path = _place(text, target)
        stored = None if path is None else read_kept(path)
        if stored is None:
            _optimise(module, self._machine)
        if path is not None:
            self._engine.set_object_cache(
                lambda _, made: keep(path, made) if stored is None else None,
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

    folder = own_folder("code")
    if folder is None:
        return None
    made_from = (text, target.processor, target.features, llvmlite.__version__)
    key = hashlib.sha256("\0".join(made_from).encode()).hexdigest()
    return folder / f"{key}.o"
