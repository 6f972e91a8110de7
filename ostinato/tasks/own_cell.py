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


def build_own_cells(
    name: str, input_size: int, hidden_size: int, layers: int, *, bidirectional: bool = False
) -> tuple[list[Cell], list[Cell] | None]:
    """The cells of a stack, each of the class that FILE.py:Class names, for each direction.

    Args:
        name: FILE.py:Class.
        input_size: features of an input step.
        hidden_size: as the class takes it.
        layers: one on top of the other.
        bidirectional: whether it reads both ways, each layer the outputs of both below it.

    Returns:
        Those of the forward direction, and of the backward one or None.

    Raises:
        SettingsError: as `load_cell_class`, or it takes other arguments than these two sizes.
    """
    kind, ways = load_cell_class(name), 2 if bidirectional else 1
    directions: list[list[Cell]] = [[] for _ in range(ways)]
    for _ in range(layers):
        for cells in directions:
            cells.append(_made(kind, input_size, hidden_size))
        input_size = ways * directions[0][-1].output_size
    return directions[0], directions[1] if bidirectional else None


def _made(kind: type[Cell], input_size: int, hidden_size: int) -> Cell:
    try:
        return kind(input_size, hidden_size)
    except TypeError as problem:
        raise SettingsError(
            f"{kind.__name__} must be made as {kind.__name__}(input_size, hidden_size): {problem}"
        ) from problem


def absolute_cell(name: str) -> str:
    """A cell's name, of FILE.py:Class with the whole path of the file."""
    path, _, class_name = name.rpartition(":")
    return f"{Path(path).expanduser().absolute()}:{class_name}" if is_own_cell(name) else name


def cell_title(name: str) -> str:
    """A cell's name for a person: of FILE.py:Class the class."""
    return name.rpartition(":")[2]


def source_hash(name: str) -> str:
    """SHA-256 of the source that FILE.py:Class names."""
    return hashlib.sha256(_parts(name)[0].read_bytes()).hexdigest()


def _parts(name: str) -> tuple[Path, str]:
    path, _, class_name = name.rpartition(":")
    if not Path(path).is_file():
        raise SettingsError(f"there is no file {path} (from --cell {name})")
    return Path(path), class_name
