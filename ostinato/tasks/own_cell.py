"""A person's own cell, named on the command line as FILE.py:Class.

The file is Python and is run, so it is only ever loaded when the person names it: a run remembers
the name and the SHA-256 of the source, never loads it by itself, and says when the source changed.
"""

import hashlib
import importlib.util
import inspect
import sys
from pathlib import Path

from ostinato.cells import Cell
from ostinato.errors import SettingsError


def is_own_cell(name: str) -> bool:
    """Whether this names a file and not one of the built-in cells."""
    return ":" in name


def load_cell_class(name: str) -> type[Cell]:
    """The class that FILE.py:Class names.

    Raises:
        SettingsError: no such file, no such class, no `ostinato.Cell`, or one without a step; or
            the file fails or ends the program when it is run.
    """
    path, class_name = _parts(name)
    specification = importlib.util.spec_from_file_location(f"own_cell_{path.stem}", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    try:
        specification.loader.exec_module(module)
    except SystemExit as problem:
        raise SettingsError(
            f"{path} cannot be loaded: it ends the program (SystemExit: {problem.code}); put what "
            'it does as a program under if __name__ == "__main__":'
        ) from problem
    except Exception as problem:
        raise SettingsError(f"{path} cannot be loaded: {type(problem).__name__}: {problem}") from (
            problem
        )
    found = getattr(module, class_name, None)
    if found is None:
        raise SettingsError(f"{path} has no class {class_name}")
    if not (isinstance(found, type) and issubclass(found, Cell)):
        raise SettingsError(f"{class_name} in {path} must be a subclass of ostinato.Cell")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise SettingsError(f"{class_name} in {path} is no complete cell: it needs a {missing}")
    return found


def source_hash(name: str) -> str:
    """SHA-256 of the source that FILE.py:Class names."""
    return hashlib.sha256(_parts(name)[0].read_bytes()).hexdigest()


def _parts(name: str) -> tuple[Path, str]:
    path, _, class_name = name.rpartition(":")
    if not Path(path).is_file():
        raise SettingsError(f"there is no file {path} (from --cell {name})")
    return Path(path), class_name
