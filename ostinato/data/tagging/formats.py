"""Which lines and columns of a file hold tokens and labels.

conllu     CoNLL-U: ten columns with a tab between them, `#` begins a comment; what stands for
           several words (1-2) and words that are not written (8.1) are passed over
columns    CoNLL-2000 and 2003: columns with white space between them; -DOCSTART- parts documents
tsv        columns with a tab between them: token, label
text       a sentence a line, in running text
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from ostinato.errors import DataError, SettingsError
from ostinato.names import nearest

FormatName = Literal["conllu", "columns", "tsv", "text"]

_OF_SUFFIX: dict[str, FormatName] = {
    ".conllu": "conllu",
    ".conll": "columns",
    ".iob": "columns",
    ".iob2": "columns",
    ".bio": "columns",
    ".tsv": "tsv",
}
CONLLU_COLUMNS = (
    "id",
    "form",
    "lemma",
    "upos",
    "xpos",
    "feats",
    "head",
    "deprel",
    "deps",
    "misc",
)


class Layout(NamedTuple):
    """How a file is to be read.

    Attributes:
        format: see the module.
        token_column: where tokens stand, from 1.
        label_column: where labels stand, from 1; None: in the last column.
        feature_columns: where more features of the tokens stand, from 1.
    """

    format: FormatName
    token_column: int
    label_column: int | None
    feature_columns: tuple[int, ...] = ()


def layout_of(
    path: Path,
    *,
    format: FormatName | None = None,
    token_column: int | None = None,
    label_column: str | None = None,
    features: Sequence[str] = (),
) -> Layout:
    """The layout of a file, from its name and what was asked for.

    Args:
        path: the file; what follows the last point of its name tells the format.
        format: given where the name does not tell.
        token_column: from 1. None: 1, or CoNLL-U's form.
        label_column: a number from 1, or a name of CoNLL-U's. None: the last; of CoNLL-U: upos.
        features: more columns, by number or by a name of CoNLL-U's.

    Raises:
        DataError: the name tells no format.
        SettingsError: a column that cannot be.

    Example:
        >>> layout_of(Path("train.conllu"), label_column="xpos")
        Layout(format='conllu', token_column=2, label_column=5, feature_columns=())
    """
    found = format or format_of(path)
    if found is None or found == "text":
        known = ", ".join(sorted(_OF_SUFFIX))
        raise DataError(
            f"{path} has no ending that tells its format ({known}, or these with .gz): give "
            "--format conllu, columns (white space between them) or tsv (tabs between them)"
        )
    if found == "conllu":
        label = _conllu_column(label_column or "upos", "label_column")
        columns = tuple(_conllu_column(one, "features") for one in features)
        layout = Layout(found, token_column or 2, label, columns)
    else:
        label = None if label_column is None else _number(label_column, "label_column")
        columns = tuple(_number(one, "features") for one in features)
        layout = Layout(found, token_column or 1, label, columns)
    _refuse_columns_of_other_use(layout)
    return layout


def format_of(path: Path) -> FormatName | None:
    """The format that a file's name tells, or None."""
    return _OF_SUFFIX.get(Path(path.name.removesuffix(".gz")).suffix.lower())


def _refuse_columns_of_other_use(layout: Layout) -> None:
    columns = layout.feature_columns
    taken = {layout.token_column: "the tokens", layout.label_column: "the labels"}
    for place, column in enumerate(columns):
        if column in taken:
            raise SettingsError(
                f"features names column {column}, which holds {taken[column]}: it cannot be a "
                "feature beside them"
            )
        if column in columns[:place]:
            raise SettingsError(f"features names column {column} twice")


def _conllu_column(wanted: str, option: str) -> int:
    if wanted.lower() in CONLLU_COLUMNS:
        return CONLLU_COLUMNS.index(wanted.lower()) + 1
    if wanted.isdecimal() and 1 <= int(wanted) <= len(CONLLU_COLUMNS):
        return int(wanted)
    raise SettingsError(
        f"{option} must be one of CoNLL-U's ({', '.join(CONLLU_COLUMNS)}) or its number, got "
        f"{wanted!r}" + nearest(wanted.lower(), CONLLU_COLUMNS)
    )


def _number(wanted: str, option: str) -> int:
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    raise SettingsError(
        f"{option} must be the number of a column, from 1, got {wanted!r}; names are for "
        "CoNLL-U files"
    )
