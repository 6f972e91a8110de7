"""`ostinato engines`: what computes a layer here, and what the compiler makes of a cell."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from ostinato.cli.parsing import parse
from ostinato.cli.tables import empty_table, print_table
from ostinato.errors import SettingsError
from ostinato.tasks.names import nearest
from ostinato.tasks.settings import CheckedModel

if TYPE_CHECKING:
    from ostinato.cells import Cell
    from ostinato.engine.explain import Explanation


class EnginesArguments(CheckedModel):
    """A cell to explain, if any."""

    explain: str | None = Field(
        None,
        description="Tell how this cell runs compiled: a name as lstm or gru-before, or "
        "FILE.py:Class. None: list the engines.",
    )
    hidden_size: int = Field(128, gt=0, description="Hidden units of the cell to explain.")
    input_size: int | None = Field(
        None, gt=0, description="Features of its input. None: as many as hidden units."
    )
    picture: Path | None = Field(
        None, description="Also draw it: a PNG file to write (extra: figures)."
    )


def engines(arguments: list[str]) -> None:
    """Print the engines of this build, or how a cell runs compiled."""
    options = parse(
        EnginesArguments,
        arguments,
        command="engines",
        description="What computes a layer on this machine, and why; or how a cell runs compiled.",
    )
    if options.explain is not None:
        _tell_cell(options.explain, options)
    elif options.picture is not None:
        raise SettingsError("--picture draws a cell: name one with --explain")
    else:
        _list_engines()


def _list_engines() -> None:
    from ostinato.engine import available

    table = empty_table("engine", "available", "why")
    for engine in available():
        table.add_row(engine.name, "yes" if engine.available else "no", engine.why)
    print_table(table)
    print(_machine())


def _machine() -> str:
    """What the compiled engine writes code for."""
    import torch

    try:
        from ostinato.engine.cpu.target import host_target

        target = host_target()
    except ImportError:
        return "Machine code is not written: llvmlite is missing."
    single, double = target.with_scalar("float").lanes, target.with_scalar("double").lanes
    return (
        f"Machine code is written for vectors of {single} numbers in float32, {double} in float64, "
        f"and runs on {torch.get_num_threads()} thread(s).\n"
        "How a cell runs compiled: ostinato engines --explain lstm"
    )


def _tell_cell(name: str, options: EnginesArguments) -> None:
    from ostinato.engine.explain import in_words

    if options.picture is not None and options.picture.suffix != ".png":
        raise SettingsError(f"--picture writes a PNG file, so its name must end in .png, "
                            f"got {options.picture}")  # fmt: skip
    size = options.hidden_size
    explanation = _explanation(name, options.input_size or size, size)
    print("\n".join(in_words(explanation)))
    if options.picture is not None:
        from ostinato.xray.stages import draw_stages

        draw_stages(explanation, options.picture)
        print(f"\npicture: {options.picture}")


def _explanation(name: str, input_size: int, hidden_size: int) -> "Explanation":
    from ostinato.engine.explain import explain
    from ostinato.engine.program import CannotCompileError

    cell = _make(name, input_size, hidden_size)
    try:
        return explain(cell)
    except CannotCompileError as problem:
        raise SettingsError(f"{name} cannot be compiled: {problem}") from problem


def _make(name: str, input_size: int, hidden_size: int) -> "Cell":
    """The cell of this name.

    Raises:
        SettingsError: there is none, or it cannot be made of two sizes.
    """
    from ostinato.tasks.own_cell import is_own_cell, load_cell_class

    if is_own_cell(name):
        path = Path(name.rpartition(":")[0])
        if not path.is_file():
            raise SettingsError(f"there is no file {path} (from --explain {name})")
        kind = load_cell_class(name)
        try:
            return kind(input_size, hidden_size)
        except TypeError as problem:
            raise SettingsError(
                f"{kind.__name__} must be made as {kind.__name__}(input_size, hidden_size): "
                f"{problem}"
            ) from problem
    known = _cells()
    if name not in known:
        raise SettingsError(
            f"there is no cell {name!r}; there are {', '.join(known)}, and FILE.py:Class"
            + nearest(name, list(known))
        )
    return known[name](input_size, hidden_size)


def _cells() -> "dict[str, Callable[[int, int], Cell]]":
    """Every cell by name, with the forms that make a difference to the compiler."""
    import ostinato

    return {
        "lstm": ostinato.LSTMCell,
        "lstm-norm": lambda d, h: ostinato.LSTMCell(d, h, layer_norm=True),
        "lstm-peepholes": lambda d, h: ostinato.LSTMCell(d, h, peepholes=True),
        "gru": ostinato.GRUCell,
        "gru-norm": lambda d, h: ostinato.GRUCell(d, h, layer_norm=True),
        "gru-before": lambda d, h: ostinato.GRUCell(d, h, reset="before"),
        "gru-before-norm": lambda d, h: ostinato.GRUCell(d, h, reset="before", layer_norm=True),
        "rnn": ostinato.RNNCell,
        "rnn-norm": lambda d, h: ostinato.RNNCell(d, h, layer_norm=True),
        "minimal-gated-unit": ostinato.MinimalGatedUnitCell,
        "ind-rnn": ostinato.IndRNNCell,
        "sru": ostinato.SRUCell,
        "slstm": ostinato.SLSTMCell,
        "min-gru": ostinato.MinGRUCell,
        "min-lstm": ostinato.MinLSTMCell,
        "feedforward": ostinato.FeedForwardCell,
    }
