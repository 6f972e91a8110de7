"""Parallel text: two files or a table, and what is said of a bad one."""

import gzip
from pathlib import Path

import pytest

from ostinato.data import PairLayout, read_pairs
from ostinato.data.pair_reading import read_sources
from ostinato.errors import DataError


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_line_n_of_one_file_belongs_to_line_n_of_the_other(tmp_path: Path) -> None:
    pairs = read_pairs(
        write(tmp_path / "a.de", "ein Haus\r\nzwei\n"), write(tmp_path / "a.en", "a house\ntwo")
    )
    assert (pairs.sources, pairs.targets) == (["ein Haus", "zwei"], ["a house", "two"])
    assert pairs.lines == [1, 2]


@pytest.mark.usefixtures("small_chunks")
def test_all_ways_to_write_pairs_read_the_same(tmp_path: Path) -> None:
    table = write(tmp_path / "p.tsv", "\ufeffdrei Häuser\tthree houses\tfrom whom\nzwei\ttwo\tx\n")
    objects = write(
        tmp_path / "p.jsonl",
        '{"source": "drei Häuser", "target": "three houses"}\n{"source": "zwei", "target": "two"}',
    )
    packed = write(tmp_path / "p.tsv.gz", gzip.compress(table.read_bytes()))
    read = [read_pairs(path) for path in (table, objects, packed)]
    assert {tuple(pairs.sources) for pairs in read} == {("drei Häuser", "zwei")}
    assert {tuple(pairs.targets) for pairs in read} == {("three houses", "two")}


def test_only_a_newline_ends_a_sentence(tmp_path: Path) -> None:
    odd = "one\u2028still\x0bone"
    pairs = read_pairs(write(tmp_path / "a", f"{odd}\ntwo\n"), write(tmp_path / "b", "x\ny\n"))
    assert pairs.sources == [odd, "two"]


def test_lines_empty_on_both_sides_are_left_out_counted_and_numbered(tmp_path: Path) -> None:
    pairs = read_pairs(write(tmp_path / "a", "1\n\n3\n"), write(tmp_path / "b", "x\n \nz\n"))
    assert (pairs.sources, pairs.lines, pairs.blank) == (["1", "3"], [1, 3], 1)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("1\n2\n3\n", "x\n", r"a\.txt, line 2 has no counterpart: .*b\.txt has only 1 lines"),
        ("1\n", "x\ny\nz\n", r"b\.txt, line 2 has no counterpart: .*a\.txt has only 1 lines"),
        ("1\n\n", "x\ny\n", r"a\.txt, line 2 is empty, but its counterpart in .*b\.txt is not"),
        ("1\n2\n", "x\n \n", r"b\.txt, line 2 is empty, but its counterpart in .*a\.txt is not"),
        (b"1\nz\xfcrich\n", "x\ny\n", r"a\.txt, line 2 is not UTF-8: byte 0xfc at place 2"),
        ("", "x\n", r"a\.txt is empty"),
        ("\n\n", "\n\n", "holds no pair"),
    ],
)
def test_bad_files_are_named_with_their_line(
    tmp_path: Path, source: str | bytes, target: str, message: str
) -> None:
    files = write(tmp_path / "a.txt", source), write(tmp_path / "b.txt", target)
    with pytest.raises(DataError, match=message):
        read_pairs(*files)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.tsv", "a\tb\nno tab\n", r"p\.tsv, line 2 has no tab"),
        ("p.tsv", "a\tb\n\tb\n", r"p\.tsv, line 2 has an empty source, but its counterpart is not"),
        ("p.jsonl", '{"source": "a", "target": "b"}\n{', r"p\.jsonl, line 2 is no JSON"),
        ("p.jsonl", '{"source": "a"}\n', r'line 1 must be an object with the texts "source"'),
        ("p.jsonl", "[1]\n", "line 1 must be an object"),
        ("p.csv", "a,b\n", r"p\.csv must be a table of pairs, \.tsv or \.jsonl"),
    ],
)
def test_bad_tables_are_named_with_their_line(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_pairs(write(tmp_path / name, text))


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match=r"there is no file nowhere\.tsv"):
        read_pairs("nowhere.tsv")


def test_columns_can_be_named_for_the_other_direction(tmp_path: Path) -> None:
    table = write(tmp_path / "p.tsv", "eins\tone\tx\nzwei\ttwo\ty\n")
    other = read_pairs(table, layout=PairLayout("2", "1"))
    assert (other.sources, other.targets) == (["one", "two"], ["eins", "zwei"])
    assert read_pairs(table, layout=PairLayout(None, "3")).targets == ["x", "y"]
    objects = write(tmp_path / "p.jsonl", '{"de": "eins", "en": "one"}\n')
    assert read_pairs(objects, layout=PairLayout("en", "de")).sources == ["one"]


def test_a_column_can_be_named_as_the_first_line_does(tmp_path: Path) -> None:
    table = write(tmp_path / "p.tsv", "de\ten\nzwei\ttwo\n")
    pairs = read_pairs(table, layout=PairLayout("en", "de"))
    assert (pairs.sources, pairs.targets, pairs.lines) == (["two"], ["zwei"], [2])


@pytest.mark.parametrize(
    ("name", "text", "columns", "message"),
    [
        ("p.tsv", "a\tb\n", ("3", "1"), r"p\.tsv, line 1 has 2 columns, but column 3 is asked for"),
        ("p.tsv", "a\tb\n", ("0", "1"), r"columns of .*p\.tsv are counted from 1, got 0"),
        ("p.tsv", "a\tb\n", ("2", None), "source and target of .* are both column 2"),
        ("p.tsv", "de\ten\n", ("fr", "de"), "line 1 names no column 'fr'; it has de, en"),
        ("p.jsonl", '{"de": "a", "en": "b"}', ("fr", "de"), 'texts "fr" and "de"; it has "de"'),
    ],
)
def test_columns_that_are_not_there_are_named(
    tmp_path: Path, name: str, text: str, columns: tuple[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_pairs(write(tmp_path / name, text), layout=PairLayout(*columns))


def test_sources_alone_need_no_target_and_keep_empty_lines(tmp_path: Path) -> None:
    table = write(tmp_path / "p.tsv", "a\n\nb\tc\n")
    assert list(read_sources(table, PairLayout())) == ["a", "", "b"]
