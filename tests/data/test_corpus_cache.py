import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ostinato.data import prepare_corpus
from ostinato.data.corpus_cache import default_cache
from ostinato.errors import DataError

TEXT = "some text to keep in a cache\n" * 20


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def prepared(text_file, cache):
    """The corpus, and the work that was announced while it was prepared."""
    seen = []
    corpus = prepare_corpus(text_file, cache=cache, progress=lambda *told: seen.append(told[2]))
    return corpus, set(seen)


def tokens_of(part):
    return part.read(0, part.targets + 1).tolist()


def test_same_text_and_settings_are_tokenised_once(text_file, cache):
    first, work = prepared(text_file, cache)
    again, less_work = prepared(text_file, cache)
    assert "tokenising train" in work
    assert less_work == {"reading"}
    assert again.folder == first.folder
    assert tokens_of(again.train) == tokens_of(first.train)


def test_copy_under_another_name_is_found_too(text_file, tmp_path, cache):
    prepared(text_file, cache)
    copy = tmp_path / "copy.txt"
    copy.write_text(TEXT)
    corpus, work = prepared(copy, cache)
    assert work == {"reading"}
    assert corpus.train.source == "copy.txt"


@pytest.mark.parametrize(
    "name", ["train.tokens", "train.documents", "corpus.json", "tokeniser.json"]
)
def test_damaged_corpus_is_made_again(text_file, cache, name):
    first, _ = prepared(text_file, cache)
    expected = tokens_of(first.train)
    (first.folder / name).write_bytes(b"{")
    again, work = prepared(text_file, cache)
    assert "tokenising train" in work
    assert tokens_of(again.train) == expected
    assert os.listdir(cache / "tokens") == [again.fingerprint]


def test_corpus_holds_its_files_and_no_scratch(text_file, cache):
    corpus, _ = prepared(text_file, cache)
    assert sorted(os.listdir(corpus.folder)) == [
        "corpus.json",
        "tokeniser.json",
        "train.documents",
        "train.tokens",
        "validation.documents",
        "validation.tokens",
    ]
    assert os.listdir(cache / "tokens") == [corpus.fingerprint]


PREPARE = """
import sys
from ostinato.data import prepare_corpus
print(prepare_corpus(sys.argv[1], cache=sys.argv[2]).fingerprint)
"""


def test_two_processes_at_once_give_one_whole_corpus(text_file, cache):
    command = [sys.executable, "-c", PREPARE, str(text_file), str(cache)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [process.communicate()[0].strip() for process in running]
    corpus, work = prepared(text_file, cache)
    assert printed == [corpus.fingerprint] * 2
    assert work == {"reading"}
    assert corpus.tokeniser.decode(tokens_of(corpus.train)) == TEXT[: int(len(TEXT) * 0.9)]
    assert os.listdir(cache / "tokens") == [corpus.fingerprint]


def test_process_that_comes_second_uses_the_corpus_of_the_first(text_file, cache, monkeypatch):
    first, _ = prepared(text_file, cache)
    written = (first.folder / "corpus.json").stat().st_mtime_ns
    # As when the other process finishes between the look into the cache and the move to it.
    monkeypatch.setattr("ostinato.data.corpus._is_whole", lambda folder: False)
    monkeypatch.setattr("ostinato.data.corpus.set_aside", lambda folder, scratch: None)
    second, work = prepared(text_file, cache)
    assert "tokenising train" in work
    assert (second.folder / "corpus.json").stat().st_mtime_ns == written
    assert os.listdir(cache / "tokens") == [first.fingerprint]


def test_scratch_of_killed_processes_goes_after_a_day_and_not_before(text_file, cache):
    old, recent = (cache / "tokens" / f"unfinished-{age}" for age in ("old", "recent"))
    for folder in (old, recent):
        folder.mkdir(parents=True)
        (folder / "train.tokens").write_bytes(b"x")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old / "train.tokens", (two_days_ago, two_days_ago))
    os.utime(old, (two_days_ago, two_days_ago))
    prepared(text_file, cache)
    assert not old.exists()
    assert recent.exists()


def test_text_that_changes_while_it_is_read_is_refused(text_file, cache):
    def append(done, total, what):
        if what == "tokenising train":
            os.utime(text_file, ns=(1, 1))

    with pytest.raises(DataError, match=r"text\.txt changed while it was read"):
        prepare_corpus(text_file, cache=cache, progress=append)


def test_cache_that_cannot_be_made_is_named(text_file):
    with pytest.raises(DataError, match=r"the cache .*text.txt/tokens cannot be made"):
        prepare_corpus(text_file, cache=text_file)


def test_cache_lies_where_the_system_says(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_cache() == Path("/somewhere/ostinato")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/person")
    assert default_cache() == Path("/home/person/.cache/ostinato")
