"""Samples in Parquet files are those of the CSV files with the same content."""

from pathlib import Path

import pytest

from ostinato.data.classification.columns import Columns
from ostinato.data.classification.reading import layout_of, read_samples
from ostinato.data.classification.samples import Samples
from ostinato.errors import DataError

polars = pytest.importorskip(
    "polars", reason="Parquet needs polars: pip install 'ostinato[tables]'"
)


def read(path: Path, format: str | None = None, **columns: str) -> Samples:
    wanted = Columns(**columns)
    return read_samples(path, layout_of(path, wanted, format=format))


def both(folder: Path, content: str) -> tuple[Path, Path]:
    """The same table as CSV and as Parquet, its columns of the types that polars sees."""
    (folder / "a.csv").write_text(content)
    polars.read_csv(folder / "a.csv").write_parquet(folder / "a.parquet")
    return folder / "a.csv", folder / "a.parquet"


def content_of(samples: Samples) -> tuple[list, list[str], tuple[str, ...], Columns]:
    inputs = [one if isinstance(one, str) else one.tolist() for one in samples.inputs]
    return inputs, list(samples.labels), samples.features, samples.columns


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("kind,name\n1,Ada\n2,Bo\n", {"label": "kind"}),
        ("kind,0,1,2\na,1,,3\nb,4,5,\n", {"label": "kind", "format": "wide"}),
        (
            "who,t,x,y,label\nA,1,0.5,1,up\nB,1,2,2.25,down\nA,2,3,3,up\n",
            {"series": "who", "time": "t"},
        ),
    ],
)
def test_a_table_means_the_same_in_either_form(
    tmp_path: Path, content: str, options: dict[str, str]
) -> None:
    text, parquet = both(tmp_path, content)
    if "0,1,2" in content:  # A missing number equals nothing, not even itself.
        options = {**options}
        assert str(content_of(read(parquet, **options))) == str(content_of(read(text, **options)))
        return
    assert content_of(read(parquet, **options)) == content_of(read(text, **options))


def test_places_are_rows(tmp_path: Path) -> None:
    _, parquet = both(tmp_path, "label,text\na,x\nb,y\n")
    assert read(parquet).place(1) == f"{parquet}, row 2"


def test_several_labels_may_be_a_list(tmp_path: Path) -> None:
    path = tmp_path / "songs.parquet"
    table = {"text": ["a", "b", "c"], "moods": [["sad", "slow"], [], None]}
    polars.DataFrame(table, schema_overrides={"moods": polars.List(polars.String)}).write_parquet(
        path
    )
    assert list(read(path, label="moods", separator="|").labels) == ["sad|slow", "", ""]
    with pytest.raises(DataError, match="row 1, column 'moods': the list holds 'sad', and texts"):
        read(path, label="moods", separator="a")
    with pytest.raises(DataError, match="column 'moods' holds List"):
        read(path, label="moods")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            "kind,a,b\nx,1,2\ny,1,z\n",
            {"label": "kind", "format": "wide"},
            "row 2, column b: 'z' is",
        ),
        ("text,kind\na,b\n", {"label": "kid"}, r"a.parquet names no column 'kid' \(--label\)"),
        ("text,kind,other\na,b,c\n", {}, "say with --label which holds the classes"),
        ("label,text\na,x\n,y\n", {}, "row 2: the label is empty"),
        (
            "who,t,x,label\nA,2,1,up\nA,1,1,up\n",
            {"series": "who", "time": "t"},
            "row 2, column t: '1' does not follow",
        ),
        (
            "who,x,label\nA,1,up\nA,1,down\n",
            {"series": "who"},
            "is of class 'down' here.* in row 1",
        ),
    ],
)
def test_what_is_wrong_is_named_with_row_and_column(
    tmp_path: Path, content: str, options: dict[str, str], message: str
) -> None:
    _, parquet = both(tmp_path, content)
    with pytest.raises(DataError, match=message):
        read(parquet, **options)
