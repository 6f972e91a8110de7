"""Tagged sentences as numbers: vocabulary, batches by length, and an order that can be repeated."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from ostinato.data import (
    Sentence,
    TagBatches,
    TagCodec,
    TaggedPart,
    TaggedText,
    encode_tagged,
    learn_tag_codec,
    rows_on_disk,
)
from ostinato.data.sorted_pools import Order
from ostinato.errors import CheckpointError, DataError, SettingsError


def text_of(*sentences: str) -> TaggedText:
    """Sentences as `word/LABEL word/LABEL`."""
    found = []
    for line, sentence in enumerate(sentences, start=1):
        tokens, labels = zip(*(pair.split("/") for pair in sentence.split()), strict=True)
        found.append(Sentence(tokens, labels, (line,) * len(tokens)))
    return TaggedText(found, "text")


SMALL = text_of("The/D dog/N barks/V", "the/D The/D 1999/N", "Go/V")


@pytest.fixture
def part() -> TaggedPart:
    words = ("a/X", "bb/Y", "ccc/X")
    generator = np.random.default_rng(0)
    rows = [" ".join(generator.choice(words, size=1 + n % 9)) for n in range(100)]
    text = text_of(*rows)
    return encode_tagged(text, learn_tag_codec(text))


def test_words_are_looked_up_in_small_letters_with_all_digits_alike() -> None:
    codec = learn_tag_codec(SMALL)
    assert codec.words[0] == "the"
    assert codec.counts[0] == 3
    assert codec.word_indices(["THE", "2024", "cat"]) == codec.word_indices(["the", "1999", "xyz"])
    assert codec.word_indices(["cat"]) == [1]
    assert codec.labels == ("D", "N", "V")


def test_words_can_be_looked_up_as_they_stand() -> None:
    codec = learn_tag_codec(SMALL, lowercase=False, digits_alike=False)
    assert codec.word_indices(["THE", "2024"]) == [1, 1]
    assert set(codec.words) >= {"The", "the", "1999"}


def test_rare_words_are_unknown_and_words_of_vectors_known() -> None:
    codec = learn_tag_codec(SMALL, minimum_count=2, more_words=["cat", "dog"])
    assert codec.words == ("the", "cat", "dog")
    assert codec.counts == (3, 0, 1)


def test_spelling_keeps_case_and_the_ends_of_long_words() -> None:
    codec = learn_tag_codec(text_of("abT/X cd/Y"))
    assert codec.spelling("aT") != codec.spelling("at")
    assert codec.spelling("?")[0] == 1
    long = codec.spelling("a" * 30 + "c" * 30)
    assert (len(long), long[:16], long[16:]) == (
        32,
        codec.spelling("a" * 16),
        codec.spelling("c" * 16),
    )


def test_a_codec_is_found_again_as_it_was_saved(tmp_path: Path) -> None:
    codec = learn_tag_codec(text_of("Straße/X 你/Y"))
    codec.save(tmp_path / "codec.json")
    assert TagCodec.load(tmp_path / "codec.json") == codec
    (tmp_path / "codec.json").write_text("{}")
    with pytest.raises(CheckpointError, match="missing or damaged"):
        TagCodec.load(tmp_path / "codec.json")


def test_one_label_is_nothing_to_learn() -> None:
    with pytest.raises(DataError, match="every token has the label 'X'"):
        learn_tag_codec(text_of("a/X b/X"))


def test_labels_not_known_are_counted_and_named_with_their_line() -> None:
    codec = learn_tag_codec(SMALL)
    part = encode_tagged(text_of("dog/N", "a/Z b/V c/Y", "go/V"), codec)
    assert part.unseen == ("Z", 2, 2)
    window = TagBatches(part, tokens=100, sentences=9)[0]
    assert window.units == 2
    assert sorted(window.counted.sum(1).tolist()) == [0, 1, 1]
    assert encode_tagged(SMALL, codec).unseen == (None, 0, 0)


def test_an_epoch_holds_every_sentence_once_within_the_limits(part: TaggedPart) -> None:
    epoch = TagBatches(part, tokens=24, sentences=5, order=Order(1))
    windows = [epoch[number] for number in range(len(epoch))]
    assert sorted(row for window in windows for row in window.rows.tolist()) == list(range(100))
    assert sum(window.units for window in windows) == part.token_count
    assert all(window.inputs.numel() <= 24 or len(window.inputs) == 1 for window in windows)
    assert max(len(window.inputs) for window in windows) == 5
    assert epoch.padding_share < 0.1


def test_the_order_comes_from_seed_and_epoch_alone(part: TaggedPart) -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        batches = TagBatches(part, tokens=24, sentences=5, order=Order(seed, epoch))
        return [rows.tolist() for rows in batches.batches]

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_a_window_holds_words_characters_and_labels_side_by_side(part: TaggedPart) -> None:
    window = TagBatches(part, tokens=40, sentences=8, order=Order(3))[0]
    codec, sentence = part.codec, int(window.rows[0])
    length = int(window.lengths[0])
    assert window.inputs[0, :length].tolist() == part.words[sentence]
    assert window.targets[0, :length].tolist() == part.labels[sentence]
    spelled = [
        "".join(codec.characters[i - 2] for i in token if i)
        for token in window.characters[0, :length].tolist()
    ]
    assert codec.word_indices(spelled) == window.inputs[0, :length].tolist()
    alike = window.spellings[0, :length]
    for one in range(length):
        for other in range(length):
            assert (alike[one] == alike[other]).item() == (spelled[one] == spelled[other])


def test_processes_share_the_rows_of_each_batch(part: TaggedPart) -> None:
    whole = TagBatches(part, tokens=24, sentences=5, order=Order(1))
    shares = [
        TagBatches(part, tokens=24, sentences=5, order=Order(1, rank=rank, world_size=2))
        for rank in range(2)
    ]
    for number in range(len(whole)):
        windows = [share[number] for share in shares]
        assert sum(window.units for window in windows) == whole[number].units
        read = torch.cat([w.rows[w.counted[:, 0]] for w in windows])
        assert sorted(read.tolist()) == sorted(whole[number].rows.tolist())


def test_limits_that_cannot_be_are_refused(part: TaggedPart) -> None:
    with pytest.raises(SettingsError, match="at least 1 token and 1 sentence"):
        TagBatches(part, tokens=0, sentences=1)
    with pytest.raises(IndexError, match="batch 999 of an epoch"):
        TagBatches(part, tokens=24, sentences=5)[999]


def test_a_sentence_on_disk_takes_tens_of_bytes_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(rows_on_disk, "IN_MEMORY_BYTES", 0)
    codec = learn_tag_codec(SMALL)

    def peak(count: int) -> int:
        text = TaggedText([SMALL.sentences[0]] * count, "text")
        tracemalloc.start()
        assert len(encode_tagged(text, codec)) == count
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert (peak(30_000) - peak(10_000)) / 20_000 < 80
