"""Reads files of sentences with labels, one sentence after the other."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ostinato.data.tagging.formats import CONLLU_COLUMNS, Layout
from ostinato.data.tagging.sentences import Sentence, TaggedText, collect
from ostinato.data.text_lines import read_lines
from ostinato.data.text_reading import Meter, Progress
from ostinato.data.text_sources import TextSource
from ostinato.errors import DataError

_Row = tuple[str, ...] | None
"""Token, label ("" where none is read), and what the columns of more features say."""
_RowOf = Callable[[str, str, Layout, bool], _Row]
_DOCUMENT = "-DOCSTART-"
_TOKEN_NAMES = ("token", "tokens", "word", "words", "form")
_LABEL_NAMES = ("label", "labels", "tag", "tags", "pos", "upos", "ner", "ner_tag", "ner_tags")


def read_tagged(path: Path, layout: Layout, *, progress: Progress | None = None) -> TaggedText:
    """All sentences of a file, plain or gzip, in UTF-8.

    Args:
        path: the file.
        layout: how it is to be read.
        progress: called with the bytes done, the bytes in all and what is done.

    Raises:
        DataError: no such file, an empty one, text that is no UTF-8, a line with another number of
            columns than the first, an empty token or label; names file and line.
    """
    source = find_file(path)
    lines = read_lines(source, Meter(progress, [source], "reading"))
    return collect(sentences_of(lines, source.name, layout), source.name)


def sentences_of(
    lines: Iterable[str], name: str, layout: Layout, *, labelled: bool = True
) -> Iterator[Sentence]:
    """The sentences of some lines, each as soon as the empty line behind it has come.

    Args:
        lines: without their ends.
        name: of the file, for messages.
        layout: how they are to be read; not that of running text.
        labelled: False reads tokens alone, so that no column of labels need be there.

    Raises:
        DataError: see `read_tagged`.
    """
    row_of: _RowOf = _conllu_row if layout.format == "conllu" else _ColumnRow(layout, labelled)
    waiting: list[tuple[tuple[str, ...], int]] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            row = row_of(line, f"{name}, line {number}", layout, labelled)
            if row is not None and row[0] != _DOCUMENT:
                waiting.append((row, number))
        elif waiting:
            yield _sentence(waiting, labelled)
            waiting = []
    if waiting:
        yield _sentence(waiting, labelled)


def find_file(path: Path, holds: str = "sentence") -> TextSource:
    """A file that is there and not empty; `holds`: what it should hold.

    Raises:
        DataError: it is not.
    """
    file = path.expanduser()
    if not file.is_file():
        raise DataError(f"there is no file {path} (looked in {Path.cwd()})")
    if file.stat().st_size == 0:
        raise DataError(f"{path} is empty: it holds no {holds}")
    return TextSource(str(path), file)


def _sentence(waiting: list[tuple[tuple[str, ...], int]], labelled: bool) -> Sentence:
    rows, lines = zip(*waiting, strict=True)
    tokens, labels, *features = zip(*rows, strict=True)
    return Sentence(tokens, labels if labelled else (), lines, tuple(features))


def _conllu_row(line: str, place: str, layout: Layout, labelled: bool) -> _Row:
    if line.startswith("#"):
        return None
    columns = line.split("\t")
    if len(columns) != len(CONLLU_COLUMNS):
        raise DataError(
            f"{place} has {len(columns)} columns, and CoNLL-U has {len(CONLLU_COLUMNS)}, with a "
            "tab between them; other columns are read with --format columns or tsv"
        )
    if not columns[0].isdecimal():
        if columns[0].replace("-", "").replace(".", "").isdecimal():
            return None
        raise DataError(f"{place} begins with {columns[0]!r}, which is no number of a word")
    return _row(columns, place, layout, labelled)


class _ColumnRow:
    """Reads rows that must all have as many columns as the first."""

    def __init__(self, layout: Layout, labelled: bool) -> None:
        self.separator = "\t" if layout.format == "tsv" else None
        self.width: int | None = None
        self.first = ""
        wanted = [layout.token_column, *layout.feature_columns]
        if labelled:
            wanted.append(layout.label_column or 2)
        self.least = max(wanted)

    def __call__(self, line: str, place: str, layout: Layout, labelled: bool) -> _Row:
        columns = line.split(self.separator)
        if columns[0] == _DOCUMENT:
            return (_DOCUMENT,)
        if len(columns) < self.least:
            between = "a tab" if self.separator else "white space"
            raise DataError(
                f"{place} has {len(columns)} column{'s' * (len(columns) != 1)}, and at least "
                f"{self.least} are needed, with {between} between them"
            )
        if self.width is None:
            _refuse_header(columns, place)
            self.width, self.first = len(columns), place
        if labelled and len(columns) != self.width:
            raise DataError(
                f"{place} has {len(columns)} columns, but {self.first} has {self.width}: every "
                "token needs the same columns, and an empty line stands between sentences"
            )
        return _row(columns, place, layout, labelled)


def _refuse_header(columns: list[str], place: str) -> None:
    """A first row as `token, label` would be a sentence, and `label` one of the labels."""
    names = [one.strip().lower() for one in columns]
    if len(names) > 1 and names[0] in _TOKEN_NAMES and names[-1] in _LABEL_NAMES:
        raise DataError(
            f"{place} seems to name the columns ({', '.join(columns)}): sentences begin in the "
            "first line, so delete it"
        )


def _row(columns: list[str], place: str, layout: Layout, labelled: bool) -> _Row:
    token = columns[layout.token_column - 1].strip()
    label = ""
    if labelled:
        label = columns[(layout.label_column or len(columns)) - 1].strip()
    if not token or (labelled and not label):
        raise DataError(f"{place} has an empty {'label' if token else 'token'}")
    if labelled and layout.label_column is None and len(columns) in layout.feature_columns:
        raise DataError(
            f"{place}: column {len(columns)} is the last and holds the labels, so that it cannot "
            "be a feature (features); say with label_column where the labels stand"
        )
    features = [columns[column - 1].strip() for column in layout.feature_columns]
    if not all(features):
        empty = layout.feature_columns[features.index("")]
        raise DataError(f"{place}, column {empty}: the feature is empty")
    return token, label, *features
