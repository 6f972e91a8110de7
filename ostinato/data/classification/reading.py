"""Reads samples in any of the formats, by a layout that says which."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from ostinato.data.classification.columns import Columns
from ostinato.data.classification.folders import FASTA, read_folder, texts_of
from ostinato.data.classification.idx_images import is_idx, read_idx_images
from ostinato.data.classification.image_files import holds_images, is_image, read_image_files
from ostinato.data.classification.image_steps import AS_ROWS, ImageLayout
from ostinato.data.classification.long_tables import read_long
from ostinato.data.classification.samples import Sample, Samples, SampleStream, collect
from ostinato.data.classification.series_files import read_ts, read_ucr
from ostinato.data.classification.strokes import read_strokes
from ostinato.data.classification.table import Table, parquet_table, text_table
from ostinato.data.classification.tables import read_documents, read_wide
from ostinato.data.parquet import is_parquet
from ostinato.data.text_lines import lines_of_stdin, read_lines
from ostinato.data.text_reading import Meter, Progress
from ostinato.data.text_sources import TextSource
from ostinato.errors import DataError, SettingsError

SampleFormat = Literal[
    "documents", "wide", "long", "ts", "ucr", "folder", "images", "strokes", "lines"
]
STANDARD_INPUT = "-"
_TABLES = (".csv", ".tsv", ".jsonl")
_UNLABELLED = ("lines",)


class SampleLayout(NamedTuple):
    """How samples are to be read.

    Attributes:
        format: see the modules beside this one; lines are texts or FASTA without classes.
        columns: of tables.
        images: of images.
    """

    format: SampleFormat
    columns: Columns = Columns()
    images: ImageLayout = AS_ROWS


def format_of(path: Path, columns: Columns) -> SampleFormat | None:
    """The format that a name and the columns asked for tell; None where they tell none."""
    name = path.name.removesuffix(".gz")
    suffix = Path(name).suffix.lower()
    if path.expanduser().is_dir():
        return "images" if holds_images(path.expanduser()) else "folder"
    if suffix in _TABLES or is_parquet(name):
        return "documents" if columns.series is None else "long"
    if suffix == ".ts":
        return "ts"
    if name.upper().endswith(("_TRAIN", "_TEST")):
        return "ucr"
    if suffix == ".ndjson":
        return "strokes"
    if is_idx(path) or is_image(path):
        return "images"
    return "lines" if suffix in (".txt", *FASTA) else None


def layout_of(
    path: Path,
    columns: Columns,
    *,
    format: SampleFormat | None = None,
    images: ImageLayout = AS_ROWS,
) -> SampleLayout:
    """The layout of a file or folder, from its name and what was asked for.

    Raises:
        SettingsError: columns of one format with another.
        DataError: the name tells no format.
    """
    found = format or format_of(path, columns)
    if found is None:
        _refuse_absent(path)
        raise DataError(
            f"{path} does not tell its format by its name: give --format documents, wide, long, "
            "ts, ucr, folder, images or strokes"
        )
    if found == "long" and columns.series is None:
        raise SettingsError("a long table needs --series, the column that names the sample")
    if found in ("wide", "documents") and columns.series is not None:
        raise SettingsError(f"--series is for long tables, not for {found}")
    if columns.time is not None and found != "long":
        raise SettingsError(f"--time is for long tables, not for {found}")
    if columns.text is not None and found != "documents":
        raise SettingsError(f"--text is for tables of documents, not for {found}")
    return SampleLayout(found, columns, images)


def read_samples(
    path: Path, layout: SampleLayout, *, labelled: bool = True, progress: Progress | None = None
) -> Samples:
    """All samples of a file, a folder, or (`-`) of standard input; see `stream_samples`."""
    return collect(stream_samples(path, layout, labelled=labelled, progress=progress))


def stream_samples(
    path: Path, layout: SampleLayout, *, labelled: bool = True, progress: Progress | None = None
) -> SampleStream:
    """The samples of a file, a folder, or (`-`) of standard input, as they are read.

    Args:
        path: Parquet; or plain or gzip, in UTF-8.
        layout: how it is to be read.
        labelled: False reads no classes, so that none need be there.
        progress: called with the bytes done, the bytes in all and what is done.

    Raises:
        DataError: what cannot be read, by file, line and column; also while samples are taken.
    """
    if labelled and layout.format in _UNLABELLED:
        raise DataError(
            f"{path} holds texts without classes: give a table with a column of classes, or a "
            "folder with a file for each class"
        )
    if layout.format == "folder":
        if not path.expanduser().is_dir():
            raise DataError(f"there is no folder {path} (looked in {Path.cwd()})")
        return read_folder(path.expanduser(), labelled=labelled, progress=progress)
    if layout.format == "images":
        return _read_images(path.expanduser(), layout.images, labelled, progress)
    if layout.format == "strokes":
        _refuse_absent(path)
        return read_strokes(path.expanduser(), labelled=labelled, progress=progress)
    if str(path) == STANDARD_INPUT:
        return samples_of(lines_of_stdin(), "standard input", path, layout, labelled=labelled)
    source = _found(path)
    if is_parquet(path):
        table = parquet_table(source.path, layout.columns.separator)
        return _samples_of_table(table, layout, labelled=labelled)
    lines = read_lines(source, Meter(progress, [source], "reading"))
    return samples_of(lines, source.name, path, layout, labelled=labelled)


def samples_of(
    lines: Iterable[str], name: str, path: Path, layout: SampleLayout, *, labelled: bool
) -> SampleStream:
    """The samples of some lines; see `stream_samples`."""
    if layout.format == "ts":
        return read_ts(lines, name, labelled=labelled)
    if layout.format == "ucr":
        return read_ucr(lines, name, labelled=labelled)
    if layout.format == "lines":
        samples = (Sample(text, None, place) for place, text in texts_of(lines, path))
        return SampleStream(samples, name)
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    kind = suffix[1:] if suffix in _TABLES else "csv"
    table = text_table(lines, name, kind, layout.columns.separator)
    return _samples_of_table(table, layout, labelled=labelled)


def _read_images(
    path: Path, layout: ImageLayout, labelled: bool, progress: Progress | None
) -> SampleStream:
    if str(path) == STANDARD_INPUT:
        raise DataError("images do not come from standard input: give a file, or a folder of them")
    if is_idx(path):
        return read_idx_images(path, layout, labelled=labelled)
    _refuse_absent(path)
    if labelled and not path.is_dir():
        raise DataError(f"{path} tells no class: give a folder with a folder of images for each")
    return read_image_files(path, layout, labelled=labelled, progress=progress)


def _samples_of_table(table: Table, layout: SampleLayout, *, labelled: bool) -> SampleStream:
    if layout.format == "wide":
        return read_wide(table, layout.columns, labelled=labelled)
    if layout.format == "long":
        return read_long(table, layout.columns, labelled=labelled)
    return read_documents(table, layout.columns, labelled=labelled)


def _refuse_absent(path: Path) -> None:
    if not path.expanduser().exists():
        raise DataError(f"there is no file or folder {path} (looked in {Path.cwd()})")


def _found(path: Path) -> TextSource:
    file = path.expanduser()
    if file.is_dir():
        raise DataError(f"{path} is a folder, and a file is expected")
    if not file.is_file():
        raise DataError(f"there is no file {path} (looked in {Path.cwd()})")
    if file.stat().st_size == 0:
        raise DataError(f"{path} is empty: it holds no sample")
    return TextSource(str(path), file)
