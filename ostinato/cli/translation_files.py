"""What the commands of translation read: lines, the sources of a table, or pairs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ostinato.errors import DataError, SettingsError

if TYPE_CHECKING:
    from ostinato.data import PairLayout, Pairs
    from ostinato.tasks.translation.task import TranslationRun

Columns = tuple[str | None, str | None]
"""Of source and target; None: as in the training."""


def lines_of(file: str, source_column: str | None, run: "TranslationRun") -> Iterator[str]:
    """The lines of a file or of standard input, or the sources of a table, as they come.

    Raises:
        DataError: no such file, or lines that cannot be read.
        SettingsError: a column of what has none.
    """
    from ostinato.data.pair_reading import read_sources
    from ostinato.data.pair_tables import is_table
    from ostinato.data.text_lines import lines_of_stdin, read_lines
    from ostinato.data.text_reading import Meter
    from ostinato.data.text_sources import TextSource

    table = file != "-" and is_table(file)
    if source_column is not None and not table:
        raise SettingsError("--source-column is for a FILE with columns, .tsv or .jsonl")
    if file == "-":
        return lines_of_stdin()
    path = Path(file).expanduser()
    if not path.is_file():
        raise DataError(f"there is no file {file} to translate")
    if table:
        return read_sources(file, _layout(run, (source_column, None)))
    source = TextSource(file, path)
    return read_lines(source, Meter(None, [source], ""))


def pairs_of(
    first: str | Path, target: Path | None, columns: Columns, run: "TranslationRun"
) -> "Pairs":
    """The pairs by which a run is judged, of two files or of one.

    Raises:
        DataError: files that cannot be read, or dialogues for a run that was trained on pairs.
    """
    from ostinato.data import read_pairs

    pairs = read_pairs(first, target, layout=_layout(run, columns))
    if pairs.history is not None and run.settings.history is None:
        raise DataError(f"{pairs.name} holds dialogues, and {run.folder} was trained on pairs")
    return pairs


def _layout(run: "TranslationRun", columns: Columns) -> "PairLayout":
    """Where a file has its pairs: as the one trained on, unless columns are named here."""
    from ostinato.data import PairLayout

    trained, (source, target) = run.settings.layout, columns
    if source is None and target is None:
        return trained
    if trained.is_of_dialogues:
        return PairLayout(source, target)
    return replace(
        trained,
        source_column=source or trained.source_column,
        target_column=target or trained.target_column,
    )
