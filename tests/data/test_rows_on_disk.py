"""Rows, texts and series are the same wherever they lie, and may be read by other processes."""

import multiprocessing
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from ostinato.data import rows_on_disk
from ostinato.data.long_lists import Chosen, Names, Runs, SeriesList, Texts
from ostinato.data.rows_on_disk import RowsOnDisk, RowsWriter, padded_rows, pieces_of, share_of
from ostinato.errors import DataError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and a disk that is used at once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(rows_on_disk, "IN_MEMORY_BYTES", 0)
    return tmp_path


def written(rows: np.ndarray, in_memory: int, pieces: int = 7) -> rows_on_disk.Rows:
    writer = RowsWriter(rows.dtype, rows.shape[1:], in_memory)
    for piece in np.array_split(rows, pieces):
        writer.append(piece)
    return writer.finish()


@pytest.mark.parametrize("shape", [(700_000,), (200_000, 3)])
def test_rows_on_disk_are_those_that_were_written(cache: Path, shape: tuple[int, ...]) -> None:
    rows = np.random.default_rng(0).integers(0, 9, shape, np.int32)
    found = written(rows, in_memory=100)
    assert isinstance(found, RowsOnDisk)
    assert found.shape == shape
    np.testing.assert_array_equal(np.concatenate(list(pieces_of(found))), rows)
    np.testing.assert_array_equal(found[5:9], rows[5:9])
    np.testing.assert_array_equal(found[-3:], rows[-3:])
    assert len(found[9:5]) == 0
    assert share_of(found, 4) == np.mean(rows == 4) if len(shape) == 1 else True
    starts, lengths = np.array([9, 0, 150_000]), np.array([3, 1, 5])
    for ours, other in zip(
        padded_rows(found, starts, lengths), padded_rows(rows, starts, lengths), strict=True
    ):
        np.testing.assert_array_equal(ours, other)


def test_few_rows_stay_in_memory_and_no_file_has_a_name(cache: Path) -> None:
    rows = np.arange(10)
    assert isinstance(written(rows, in_memory=80), np.ndarray)
    assert not (cache / "ostinato").exists()
    assert isinstance(written(rows, in_memory=79), RowsOnDisk)
    assert list((cache / "ostinato" / "rows").iterdir()) == []


@pytest.mark.parametrize("width", [0, 1])
def test_small_pieces_do_not_wait_for_a_large_one_in_memory(cache: Path, width: int) -> None:
    writer = RowsWriter(np.int32, (width,))
    tracemalloc.start()
    for number in range(30_000):
        writer.append(np.full((2, width), number, np.int32))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # An array takes over a hundred bytes beside its rows: three million were they all kept.
    assert peak < 1.5e6
    rows = writer.finish()
    assert rows.shape == (60_000, width)
    np.testing.assert_array_equal(rows[:], np.repeat(np.arange(30_000), 2)[:, None][:, :width])


def _sum_of(rows: RowsOnDisk, told: multiprocessing.Queue) -> None:
    told.put(int(rows[:].sum()))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_read_the_same(cache: Path, method: str) -> None:
    rows = written(np.arange(1000), in_memory=0)
    context = multiprocessing.get_context(method)
    told = context.Queue()
    process = context.Process(target=_sum_of, args=(rows, told))
    process.start()
    assert told.get(timeout=60) == 499_500
    process.join()


def test_a_cache_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"file/ostinato: .*; name another folder.*XDG_CACHE_HOME"):
        written(np.arange(1000), in_memory=0)


def test_texts_series_and_names_are_found_by_number(cache: Path) -> None:
    texts, series, names = Texts(), SeriesList(2), Names()
    pairs = [np.full((n, 2), n, np.float32) for n in range(5)]
    words = ["é", "", "a\nb", "\ud800", "e"]
    for text, one in zip(words, pairs, strict=True):
        texts.append(text)
        series.append(one)
        names.append(text[:1])
    assert list(texts) == words
    assert texts[1:3] == ["", "a\nb"]
    assert [one.tolist() for one in series] == [one.tolist() for one in pairs]
    assert list(names) == ["é", "", "a", "\ud800", "e"]
    assert list(Chosen(texts, np.array([4, 0]))) == ["e", "é"]
    with pytest.raises(IndexError):
        texts[5]


def test_runs_know_where_they_begin_and_how_long_they_are(cache: Path) -> None:
    runs = Runs(np.int64)
    for length in (2, 0, 3):
        runs.append(np.arange(length))
    assert runs.rows[:].tolist() == [0, 1, 0, 1, 2]
    assert (runs.starts.tolist(), runs.lengths.tolist()) == ([0, 2, 2], [2, 0, 3])
    assert runs[2].tolist() == [0, 1, 2]
