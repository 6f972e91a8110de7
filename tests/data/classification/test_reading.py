"""What the files of samples hold, and what is said of those that cannot be read."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from ostinato.data.classification.columns import Columns
from ostinato.data.classification.image_steps import ImageLayout
from ostinato.data.classification.reading import layout_of, read_samples
from ostinato.data.classification.samples import Samples
from ostinato.errors import DataError, SettingsError

NAN = np.nan


def read(path: Path, content: str, *, labelled: bool = True, **columns: str) -> Samples:
    path.write_text(content, encoding="utf-8")
    return read_samples(path, layout_of(path, Columns(**columns)), labelled=labelled)


def read_wide(path: Path, content: str, *, labelled: bool = True, **columns: str) -> Samples:
    path.write_text(content, encoding="utf-8")
    layout = layout_of(path, Columns(**columns), format="wide")
    return read_samples(path, layout, labelled=labelled)


def test_a_csv_gives_a_text_a_row_whatever_stands_in_its_cells(tmp_path: Path) -> None:
    found = read(tmp_path / "a.csv", 'label,text\npos,"good, ""very""\nso"\nneg,bad\n')
    assert list(found.inputs) == ['good, "very"\nso', "bad"]
    assert list(found.labels) == ["pos", "neg"]
    assert list(found.places) == ["line 2", "line 4"]
    assert found.columns == Columns(text="text", label="label")


def test_in_a_tsv_a_quotation_mark_is_one(tmp_path: Path) -> None:
    found = read(tmp_path / "a.tsv", 'text\tkind\n"so\tx\nno"\ty\n', label="kind")
    assert (list(found.inputs), list(found.labels)) == (['"so', 'no"'], ["x", "y"])


def test_json_lines_give_their_fields(tmp_path: Path) -> None:
    found = read(tmp_path / "a.jsonl", '{"text": "a b", "label": 1}\n\n{"label": 2, "text": "c"}\n')
    assert (list(found.inputs), list(found.labels)) == (["a b", "c"], ["1", "2"])
    assert list(found.places) == ["line 1", "line 3"]


def test_classes_need_not_be_there_where_they_are_not_read(tmp_path: Path) -> None:
    found = read(tmp_path / "a.csv", "name\nAda\n", labelled=False, text="name", label="kind")
    assert (list(found.inputs), list(found.labels)) == (["Ada"], [])


def test_rows_of_a_wide_table_end_with_their_last_value(tmp_path: Path) -> None:
    found = read_wide(tmp_path / "a.csv", "kind,0,1,2\na,1,,3\nb,4,5,\n", label="kind")
    np.testing.assert_array_equal(found.inputs[0], [[1], [NAN], [3]])
    np.testing.assert_array_equal(found.inputs[1], [[4], [5]])
    assert list(found.labels) == ["a", "b"]


def test_rows_of_a_long_table_are_gathered_by_sample(tmp_path: Path) -> None:
    rows = "id,t,label,x,y\nA,0,up,1,2\nB,0,down,3,4\nA,1,up,5,NA\n"
    found = read(tmp_path / "a.csv", rows, series="id", time="t")
    assert found.features == ("x", "y")
    assert list(found.labels) == ["up", "down"]
    np.testing.assert_array_equal(found.inputs[0], [[1, 2], [5, NAN]])
    np.testing.assert_array_equal(found.inputs[1], [[3, 4]])


TS = """# a comment
@problemName Small
@timeStamps false
@missing true
@univariate false
@dimensions 2
@equalLength false
@classLabel true walk run
@data
1,2,3:4,5,6:walk
7,?:8,9:run
"""


def test_a_ts_file_gives_series_of_unequal_length(tmp_path: Path) -> None:
    found = read(tmp_path / "a.ts", TS)
    np.testing.assert_array_equal(found.inputs[0], [[1, 4], [2, 5], [3, 6]])
    np.testing.assert_array_equal(found.inputs[1], [[7, 8], [NAN, 9]])
    assert list(found.labels) == ["walk", "run"]
    assert list(found.places) == ["line 10", "line 11"]
    assert not read(tmp_path / "a.ts", TS, labelled=False).labels


def test_a_ucr_file_has_its_class_first_and_missing_values_fill_it_up(tmp_path: Path) -> None:
    found = read(tmp_path / "A_TRAIN", "  1.0000e+000 1.5 2.5\n2,3.5,NaN\n")
    assert list(found.labels) == ["1", "2"]
    assert [len(series) for series in found.inputs] == [2, 1]


def test_a_folder_has_a_file_or_a_folder_for_each_class(tmp_path: Path) -> None:
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "Greek.txt").write_text("Pappas\n\nKokinos\n")
    (tmp_path / "names" / "Irish.txt.gz").write_bytes(gzip.compress(b"Daly\n"))
    (tmp_path / "names" / "Letters").mkdir()
    (tmp_path / "names" / "Letters" / "one.txt").write_text("Dear\nsir\n")
    (tmp_path / "names" / "dna.fa").write_text(">one\nacg\nT\n>two\nGG\n")
    found = read_samples(tmp_path / "names", layout_of(tmp_path / "names", Columns()))
    assert list(found.inputs) == ["Pappas", "Kokinos", "Daly", "Dear\nsir", "ACGT", "GG"]
    assert list(found.labels) == ["Greek", "Greek", "Irish", "Letters", "dna", "dna"]
    assert found.places[1:3] == ["Greek.txt, line 3", "Irish.txt.gz, line 1"]


def test_a_table_of_semicolons_has_decimal_commas(tmp_path: Path) -> None:
    content = "id;t;x;label\n1;1;2,5;up\n1;2;-1,25e1;up\n2;1;;down\n2;2;3;down\n"
    found = read(tmp_path / "a.csv", content, series="id", time="t")
    np.testing.assert_array_equal(np.array(found.inputs[0])[:, 0], [2.5, -12.5])
    np.testing.assert_array_equal(np.array(found.inputs[1])[:, 0], [np.nan, 3])
    texts = read(tmp_path / "b.csv", 'text;label\n"one, two; three";a\n3,5 of it;b\n')
    assert list(texts.inputs) == ["one, two; three", "3,5 of it"]


def test_semicolons_change_no_label_text_or_order_of_times(tmp_path: Path) -> None:
    several = read(tmp_path / "a.csv", "text;label\n2,5;1,2\nb;2\n", separator=",")
    assert (list(several.inputs), list(several.labels)) == (["2,5", "b"], ["1,2", "2"])
    times = "id;t;x;label\n1;9,5;2,5;up\n1;10,5;3,5;up\n"
    (steps,) = read(tmp_path / "b.csv", times, series="id", time="t").inputs
    assert np.asarray(steps).tolist() == [[2.5], [3.5]]
    wide = read_wide(tmp_path / "c.csv", "label;0;1\n1,5;2,5;3\n")
    assert (list(wide.labels), np.asarray(wide.inputs[0]).tolist()) == (["1,5"], [[2.5], [3]])
    with pytest.raises(DataError, match=r"line 3, column '0': '1.050', and '2,5' in line 2: dec"):
        list(read_wide(tmp_path / "d.csv", "label;0;1\na;2,5;3\na;1.050;3\n").inputs)


def test_dates_that_do_not_rise_as_text_are_told_how_to_be_written(tmp_path: Path) -> None:
    content = "id,t,x,label\n1,31.01.2024,2,up\n1,01.02.2024,3,up\n"
    with pytest.raises(DataError, match=r"line 2, column t: '31.01.2024' .*write dates as 2024-05"):
        read(tmp_path / "a.csv", content, series="id", time="t")
    words = content.replace("31.01.2024", "noon").replace("01.02.2024", "evening")
    with pytest.raises(DataError, match=r"line 3, column t: .*sorted by time, and .*2024-05-31"):
        read(tmp_path / "a.csv", words, series="id", time="t")
    iso = content.replace("31.01.2024", "2024-03-01").replace("01.02.2024", "2024-02-01")
    with pytest.raises(DataError, match=r"sorted by time$"):
        read(tmp_path / "a.csv", iso, series="id", time="t")


def write_images(folder: Path, labels: bytes) -> Path:
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(bytes((0, 0, 8, 3)) + struct.pack(">3I", 2, 2, 3) + bytes(range(12)))
    beside = folder / "train-labels-idx1-ubyte"
    beside.write_bytes(bytes((0, 0, 8, 1)) + struct.pack(">I", len(labels)) + labels)
    return path


def test_an_image_is_a_series_of_its_rows_or_of_its_pixels(tmp_path: Path) -> None:
    path = write_images(tmp_path, bytes((7, 9)))
    rows = read_samples(path, layout_of(path, Columns()))
    np.testing.assert_allclose(np.array(rows.inputs[1]) * 255, [[6, 7, 8], [9, 10, 11]])
    assert list(rows.labels) == ["7", "9"]
    pixels = read_samples(path, layout_of(path, Columns(), images=ImageLayout("pixels")))
    np.testing.assert_allclose(np.array(pixels.inputs[0])[:, 0] * 255, range(6), atol=1e-5)


def test_an_image_is_a_series_of_its_patches_row_by_row(tmp_path: Path) -> None:
    image = np.arange(4 * 6 * 3, dtype=np.float32).reshape(4, 6, 3)
    layout = ImageLayout("patches", 2)
    for one in (image, image[..., :1]):
        patches = layout.series(one, "a")
        expected = [one[y : y + 2, x : x + 2].ravel() for y in (0, 2) for x in (0, 2, 4)]
        np.testing.assert_array_equal(patches, expected)
    path = write_images(tmp_path, bytes((7, 9)))
    with pytest.raises(DataError, match="2 x 3 pixels, which are not to be cut into patches of 2"):
        read_samples(path, layout_of(path, Columns(), images=layout))


def test_a_drawing_is_the_way_of_its_pen(tmp_path: Path) -> None:
    for name in ("alpha", "beta"):
        (tmp_path / "letters" / "greek" / name).mkdir(parents=True)
    alpha = tmp_path / "letters" / "greek" / "alpha" / "1.txt"
    alpha.write_text("START\n1,2,0\n3,1,9\nBREAK\n3,5,20\nBREAK\n")
    beta = tmp_path / "letters" / "greek" / "beta" / "1.txt"
    beta.write_text("START\n0,0\n")
    layout = layout_of(tmp_path / "letters", Columns(), format="strokes")
    found = read_samples(tmp_path / "letters", layout)
    assert found.features == ("dx", "dy", "lifted")
    assert list(found.labels) == ["greek/alpha", "greek/beta"]
    np.testing.assert_array_equal(found.inputs[0], [[0, 0, 0], [2, -1, 1], [0, 4, 1]])
    np.testing.assert_array_equal(found.inputs[1], [[0, 0, 1]])
    alone = read_samples(alpha, layout, labelled=False)
    np.testing.assert_array_equal(alone.inputs[0], found.inputs[0])


def test_drawings_of_json_lines_name_their_class(tmp_path: Path) -> None:
    line = '{"word": "cat", "drawing": [[[0, 4], [1, 1]], [[4], [9]]]}\n'
    found = read(tmp_path / "a.ndjson", line)
    assert (list(found.labels), list(found.places)) == (["cat"], ["a.ndjson, line 1"])
    np.testing.assert_array_equal(found.inputs[0], [[0, 0, 0], [4, 0, 1], [0, 8, 1]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("b/1.txt", "START\n1,x,3\n", "b/1.txt, line 2: expected a point"),
        ("b/1.txt", "START\n1\n", "b/1.txt, line 2: expected a point"),
        ("b/1.txt", "START\n1,nan\n", "b/1.txt, line 2: expected a point"),
        ("b/1.txt", "START\nBREAK\n", "b/1.txt: the series is empty"),
        ("1.txt", "START\n1,2\n", "1.txt lies in no folder that names its class"),
        ("a.ndjson", '{"word": "cat"}\n', "a.ndjson, line 1: expected"),
        ("a.ndjson", '{"word": "cat", "drawing": [[[1], [1, 2]]]}\n', "of the same length"),
        ("a.ndjson", '{"drawing": [[[1], [2]]]}\n', 'has no "word"'),
    ],
)
def test_drawings_that_cannot_be_read_are_named(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    path = tmp_path / "drawings" / name
    path.parent.mkdir(parents=True)
    path.write_text(content)
    folder = tmp_path / "drawings"
    with pytest.raises(DataError, match=message):
        read_samples(folder, layout_of(folder, Columns(), format="strokes"))


def test_images_and_labels_of_different_number_are_refused(tmp_path: Path) -> None:
    path = write_images(tmp_path, bytes((7,)))
    with pytest.raises(DataError, match="holds 2 images, but"):
        read_samples(path, layout_of(path, Columns()))


def test_an_hour_that_comes_twice_is_told_apart_by_its_zone(tmp_path: Path) -> None:
    first, second = "2024-10-27 02:30+02:00", "2024-10-27 02:00+01:00"
    content = f"id,t,label,x\n1,{first},a,2\n1,{second},a,3\n"
    (steps,) = read(tmp_path / "a.csv", content, series="id", time="t").inputs
    assert np.asarray(steps).tolist() == [[2], [3]]
    turned = f"id,t,label,x\n1,{second},a,2\n1,{first},a,3\n"
    with pytest.raises(DataError, match=r"does not follow \(before it stands '2024-10-27 02:00"):
        read(tmp_path / "b.csv", turned, series="id", time="t")


@pytest.mark.parametrize(
    ("name", "content", "columns", "message"),
    [
        ("a.csv", "text,label\na\n", {}, "line 2 has 1 columns, but line 1 names 2"),
        ("a.csv", "text,label\na,\n", {}, "line 2: the label is empty; .*--separator"),
        ("a.csv", "text\tlabel\na\tb\n", {}, r"line 1 is one column, 'text\\tlabel': the cells"),
        ("a.csv", "text,label\n ,x\n", {}, "line 2: the text is empty"),
        ("a.csv", "text,label\n", {}, "holds no sample"),
        ("a.csv", "a,b,c\n1,2,3\n", {}, "'a', 'b', 'c': say with --label which holds the cl"),
        ("a.csv", "text,\nb,c\n", {}, "'text', '': say .*; column 2 has no name: write one"),
        ("a.csv", "text\nb\n", {}, "the column 'text': .*; a column of classes beside it is"),
        ("a.csv", "text,class,label\na,b,c\n", {}, "which holds the classes, 'class' or 'label'"),
        ("a.csv", "label,a,b\nx,2,3\n", {}, "--text which .*a table of numbers needs --format wi"),
        ("a.jsonl", '{"text": "a", "label": null}\n', {}, "line 1: the label is empty"),
        ("a.jsonl", '{"text": null, "label": "a"}\n', {}, "line 1: the text is empty"),
        ("a.csv", "text,kind\na,b\n", {"label": "kinde"}, "no column 'kinde' .*mean 'kind'"),
        ("a.csv", "text,text\na,b\n", {}, "names the column 'text' twice"),
        ("a.csv", 'text,label\n"a,b\n', {}, "line 2: unexpected end of data"),
        ("a.jsonl", '{"text": "a", "label": 1}\n{"label": 1}\n', {}, "line 2 has no 'text'"),
        ("a.csv", "id,label,x\n1,a,2\n1,b,3\n", {"series": "id"}, "line 3, column label: .*line 2"),
        ("a.csv", "id,label,x\n1,a,2\n1,a,q\n", {"series": "id"}, "line 3, column x: 'q' is no"),
        ("a.csv", "id,label,x\n1,a,inf\n", {"series": "id"}, "line 2, column x: .*not finite"),
        (
            "a.csv",
            "id,t,label,x\n1,2,a,2\n1,1,a,3\n",
            {"series": "id", "time": "t"},
            "line 3, column t: '1' does not follow",
        ),
        (
            "a.csv",
            "id,t,label,x\n1,2,a,2\n1,2,a,3\n",
            {"series": "id", "time": "t"},
            "line 3, column t: '2' is the time of the row before",
        ),
        ("a.ts", "@classLabel true a\n1,2:a\n", {}, "line 2: expected @data"),
        ("a.ts", "@classLabel true A b\n@data\n1:a\n2:c\n", {}, "line 4: the class 'c' is not amo"),
        ("a.ts", "@classLabel true a\n", {}, "has no line @data"),
        ("a.ts", "@timeStamps true\n@data\n", {}, "series with time stamps are not read"),
        ("a.ts", "@classLabel false\n@data\n1,2\n", {}, "holds no classes to learn"),
        ("a.ts", "@classLabel true a\n@data\n1:2:a\n1:a\n", {}, "line 4 has 1 dimensions"),
        ("a.ts", "@classLabel true a\n@data\n1,2:3:a\n", {}, "line 3 has .* lengths: 1, 2"),
        ("a.ts", "@classLabel true a\n@data\n1,x:3,4:a\n", {}, "line 3, dimension 1, column 2"),
        ("a.ts", "@classLabel true a\n@data\n:a\n", {}, "line 3: the series is empty"),
        ("A_TRAIN", "1 2 3\n2 3 b\n", {}, "line 2, column 2: 'b' is no number"),
        ("A_TRAIN", "1 NaN\n", {}, "line 1: the series is empty"),
        ("a.txt", "one\ntwo\n", {}, "holds texts without classes"),
        ("a.dat", "one\n", {}, "does not tell its format by its name"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(
    tmp_path: Path, name: str, content: str, columns: dict, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path / name, content, **columns)


def test_bytes_that_are_no_utf8_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\ncaf\xe9,x\n")
    with pytest.raises(DataError, match="line 2 is not UTF-8: byte 0xe9 at place 4"):
        read_samples(path, layout_of(path, Columns()))


@pytest.mark.parametrize(
    ("columns", "format", "message"),
    [
        (Columns(text="t"), "wide", "--text is for tables of documents, not for wide"),
        (Columns(series="s"), "wide", "--series is for long tables, not for wide"),
        (Columns(time="s"), "documents", "--time is for long tables"),
        (Columns(), "long", "a long table needs --series"),
    ],
)
def test_columns_of_another_format_are_refused(columns: Columns, format: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        layout_of(Path("a.csv"), columns, format=format)
