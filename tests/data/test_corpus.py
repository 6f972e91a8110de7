import gzip
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from ostinato.data import (
    Split,
    TextReading,
    TokeniserSettings,
    open_corpus,
    prepare_corpus,
    prepare_part,
)
from ostinato.errors import DataError

TEXT = "the cat sat on a mat\nand a häuser €5\n\nthe dog ran\n\n\nthe end of it\n" * 3
WHOLE = Split(validation_fraction=0.0)


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def tokens_of(part):
    return part.read(0, part.targets + 1).tolist()


DOCUMENTS = {
    "file": [TEXT],
    "line": [line for line in TEXT.split("\n") if line],
    "paragraph": [text.strip("\n") for text in re.split(r"\n\n+", TEXT)],
}


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("kind", ["characters", "bytes", "words", "bpe"])
def test_token_file_is_each_document_between_boundaries(
    text_file, cache, small_chunks, document, kind
):
    settings = TokeniserSettings(kind, 280 if kind == "bpe" else None)
    reading = TextReading(document)
    corpus = prepare_corpus(
        text_file, tokeniser=settings, split=WHOLE, reading=reading, cache=cache
    )
    end = corpus.tokeniser.end_index
    expected = [end]
    for text in DOCUMENTS[document]:
        expected += [*corpus.tokeniser.encode(text), end]
    assert tokens_of(corpus.train) == expected
    places = [place for place, token in enumerate(expected) if token == end]
    assert corpus.train.documents().tolist() == places


def test_characters_of_real_text_split_nine_to_one(text_file, cache):
    corpus = prepare_corpus(text_file, cache=cache)
    decode = corpus.tokeniser.decode
    first = int(len(TEXT) * 0.9)
    assert decode(tokens_of(corpus.train)) == TEXT[:first]
    assert decode(tokens_of(corpus.validation)) == TEXT[first:]
    assert corpus.test is None
    assert corpus.train.characters == corpus.train.counted_targets == first
    assert corpus.validation.bytes == len(TEXT[first:].encode())


def test_vocabulary_holds_nothing_that_only_validation_has(tmp_path, cache):
    path = tmp_path / "text.txt"
    path.write_text("abc" * 30 + "xyz")
    corpus = prepare_corpus(path, split=Split(0.1), cache=cache)
    assert corpus.tokeniser.characters == ["a", "b", "c"]
    assert corpus.validation.record.unknown_tokens == 3
    assert corpus.train.record.unknown_tokens == 0


def test_given_files_are_used_whole(tmp_path, cache):
    for name, text in {"a": "abab", "b": "abc", "c": "ba"}.items():
        (tmp_path / name).write_text(text)
    corpus = prepare_corpus(tmp_path / "a", tmp_path / "b", tmp_path / "c", cache=cache)
    assert [part.characters for part in corpus.parts.values()] == [4, 3, 2]
    assert corpus.validation.record.unknown_tokens == 1
    assert corpus.sources["validation"] == [str(tmp_path / "b")]
    assert corpus.test.source == "c"


def test_share_is_taken_only_for_the_part_without_files(tmp_path, cache):
    (tmp_path / "a").write_text("abcdefghij")
    (tmp_path / "b").write_text("abc")
    corpus = prepare_corpus(tmp_path / "a", tmp_path / "b", split=Split(0.3, 0.2), cache=cache)
    assert [part.characters for part in corpus.parts.values()] == [8, 3, 2]


def test_same_text_for_training_and_validation_is_refused(tmp_path, cache):
    (tmp_path / "a").write_text("abcd")
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"abcd"))
    with pytest.raises(DataError, match=r"b.gz is given for validation, but .* train"):
        prepare_corpus(tmp_path / "a", tmp_path / "b.gz", cache=cache)


def test_boundaries_count_only_with_several_documents_to_train_on(text_file, cache):
    one = prepare_corpus(text_file, cache=cache)
    several = prepare_corpus(text_file, reading=TextReading("line"), cache=cache)
    assert [part.counts_ends for part in one.parts.values()] == [False, False]
    assert [part.counts_ends for part in several.parts.values()] == [True, True]
    assert several.train.counted_targets == several.train.targets


def test_a_counted_boundary_of_lines_stands_for_the_newline(tmp_path, cache):
    path = tmp_path / "text.txt"
    path.write_text("ab\nä\n")
    part = prepare_corpus(path, split=WHOLE, reading=TextReading("line"), cache=cache).train
    assert (part.characters, part.bytes, part.counted_targets) == (5, 6, 5)


def test_words_count_as_published_for_penn_treebank(tmp_path, cache):
    path = tmp_path / "ptb.txt"
    path.write_text(" no it was <unk> \n the <unk> N \n")
    settings = TokeniserSettings("words")
    as_file = prepare_corpus(path, tokeniser=settings, split=WHOLE, cache=cache).train
    as_lines = prepare_corpus(
        path, tokeniser=settings, split=WHOLE, reading=TextReading("line"), cache=cache
    ).train
    assert as_file.counted_targets == as_lines.counted_targets == 7 + 2
    assert as_file.record.unknown_tokens == 2


@pytest.mark.skipif("OSTINATO_DATA" not in os.environ, reason="needs the folder of real data")
def test_penn_treebank_has_its_published_counts(cache):
    folder = Path(os.environ["OSTINATO_DATA"]) / "language_modelling" / "ptb_word"
    paths = [folder / f"ptb.{name}.txt" for name in ("train", "valid", "test")]
    corpus = prepare_corpus(*paths, tokeniser=TokeniserSettings("words"), cache=cache)
    counted = [part.counted_targets for part in corpus.parts.values()]
    assert counted == [929_589, 73_760, 82_430]
    assert corpus.tokeniser.vocabulary_size == 10_000 + 1  # and the boundary of documents


def test_gzip_gives_the_same_corpus_as_plain(text_file, tmp_path, cache):
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(TEXT.encode()))
    plain = prepare_corpus(text_file, cache=cache)
    unpacked = prepare_corpus(packed, cache=tmp_path / "other")
    assert unpacked.fingerprint == plain.fingerprint
    assert tokens_of(unpacked.train) == tokens_of(plain.train)
    assert unpacked.train.source == "packed.gz"


READ_STANDARD_INPUT = """
import sys
from ostinato.data import prepare_corpus
corpus = prepare_corpus("-", cache=sys.argv[1])
print(corpus.fingerprint, corpus.sources["train"])
"""


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_gives_the_same_corpus_and_is_not_kept(text_file, cache, pack):
    finished = subprocess.run(
        [sys.executable, "-c", READ_STANDARD_INPUT, str(cache)],
        input=pack(TEXT.encode()),
        capture_output=True,
        check=True,
    )
    plain = prepare_corpus(text_file, cache=cache)
    assert finished.stdout.decode() == f"{plain.fingerprint} ['standard input']\n"
    assert os.listdir(cache / "tokens") == [plain.fingerprint]


def test_corpus_opens_by_its_fingerprint_without_the_text(text_file, cache):
    corpus = prepare_corpus(text_file, cache=cache)
    text_file.unlink()
    opened = open_corpus(corpus.fingerprint, corpus.sources, cache=cache)
    assert tokens_of(opened.train) == tokens_of(corpus.train)
    assert opened.train.source == "text.txt"


def test_fingerprint_that_is_not_in_the_cache_is_refused(cache):
    with pytest.raises(DataError, match=r"no corpus in .*abc"):
        open_corpus("abc", {}, cache=cache)


@pytest.mark.parametrize(
    "other",
    [
        {"tokeniser": TokeniserSettings("words")},
        {"tokeniser": TokeniserSettings("characters", minimum_count=2)},
        {"split": Split(0.2)},
        {"reading": TextReading("line")},
    ],
)
def test_other_settings_give_another_fingerprint(text_file, cache, other):
    plain = prepare_corpus(text_file, cache=cache)
    assert prepare_corpus(text_file, cache=cache, **other).fingerprint != plain.fingerprint


def test_other_text_gives_another_fingerprint(text_file, cache):
    before = prepare_corpus(text_file, cache=cache)
    text_file.write_text(TEXT + "x")
    assert prepare_corpus(text_file, cache=cache).fingerprint != before.fingerprint


def test_several_files_are_documents_in_sorted_order(tmp_path, cache):
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, text in {"b": "bb", "a": "aa", "c": "cc"}.items():
        (folder / name).write_text(text)
    corpus = prepare_corpus(folder, split=WHOLE, cache=cache)
    assert tokens_of(corpus.train) == [0, 2, 2, 0, 3, 3, 0, 4, 4, 0]
    assert corpus.train.source == "a and 2 more"


def test_bad_byte_is_refused_or_replaced(tmp_path, cache):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"caf\xe9 au lait")
    with pytest.raises(DataError, match=r"latin.txt is not UTF-8: byte 0xe9 at offset 3"):
        prepare_corpus(path, split=WHOLE, cache=cache)
    reading = TextReading(replace_bad_bytes=True)
    corpus = prepare_corpus(path, split=WHOLE, reading=reading, cache=cache)
    assert corpus.tokeniser.decode(tokens_of(corpus.train)) == "caf\ufffd au lait"


def test_nothing_is_left_behind_by_a_failure(tmp_path, cache):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"caf\xe9")
    with pytest.raises(DataError):
        prepare_corpus(path, split=WHOLE, cache=cache)
    assert os.listdir(cache / "tokens") == []


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [(b"", "characters", "is empty"), (b" \n \n", "words", "only white space|too few")],
)
@pytest.mark.parametrize("split", [WHOLE, Split()])
def test_text_without_tokens_is_refused(tmp_path, cache, content, kind, message, split):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    # Newlines alone are tokens of words: lines are what must hold some.
    reading = TextReading("line")
    with pytest.raises(DataError, match=message + "|white space"):
        prepare_corpus(
            path, tokeniser=TokeniserSettings(kind), split=split, reading=reading, cache=cache
        )


def test_gzip_of_nothing_is_refused(tmp_path, cache):
    path = tmp_path / "nothing.gz"
    path.write_bytes(gzip.compress(b""))
    with pytest.raises(DataError, match=r"nothing\.gz is empty once unpacked"):
        prepare_corpus(path, split=WHOLE, cache=cache)


def test_pipe_reads_as_the_text_behind_it(text_file, tmp_path, cache):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(TEXT.encode(),))
    writer.start()
    piped = prepare_corpus(pipe, cache=cache)
    writer.join()
    assert piped.fingerprint == prepare_corpus(text_file, cache=cache).fingerprint


def test_given_tokeniser_is_kept_as_it_is(text_file, tmp_path, cache):
    other = tmp_path / "other.txt"
    other.write_text("xyz the zzz")
    tokeniser = prepare_corpus(text_file, cache=cache).tokeniser
    corpus = prepare_corpus(other, tokeniser=tokeniser, split=WHOLE, cache=cache)
    assert corpus.tokeniser.serialised() == tokeniser.serialised()
    assert tokens_of(corpus.train)[1:-1] == tokeniser.encode("xyz the zzz")


@pytest.mark.parametrize("counts_ends", [True, False])
def test_other_text_is_prepared_as_the_model_was_trained(text_file, tmp_path, cache, counts_ends):
    other = tmp_path / "other.txt"
    other.write_text("the cat\n")
    tokeniser = prepare_corpus(text_file, cache=cache).tokeniser
    part = prepare_part(other, tokeniser=tokeniser, counts_ends=counts_ends, cache=cache)
    assert tokens_of(part) == [0, *tokeniser.encode("the cat\n"), 0]
    assert part.counted_targets == 8 + counts_ends
    assert part.source == "other.txt"


def test_progress_tells_of_every_pass_up_to_its_end(text_file, cache):
    seen = []
    prepare_corpus(text_file, cache=cache, progress=lambda *told: seen.append(told))
    size = text_file.stat().st_size
    finished = {what for done, total, what in seen if done == total == size}
    assert {"reading", "dividing", "learning the vocabulary", "tokenising train"} <= finished


def test_tokens_take_the_smallest_type_that_holds_them(text_file, cache):
    characters = prepare_corpus(text_file, cache=cache).train
    raw = prepare_corpus(text_file, tokeniser=TokeniserSettings("bytes"), cache=cache).train
    assert (characters.record.dtype, raw.record.dtype) == ("uint8", "uint16")
    assert characters.gather(np.array([[0, 1]])).dtype == np.int64
