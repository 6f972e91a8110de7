"""Samples as numbers, and batches of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ostinato.data.classification.batches import SampleBatches
from ostinato.data.classification.codec import (
    SampleCodec,
    labels_of,
    learn_sample_codec,
    learn_series_codec,
    learn_text_codec,
)
from ostinato.data.classification.part import encode_samples
from ostinato.data.classification.samples import Samples
from ostinato.data.sorted_pools import Order
from ostinato.data.tokenisers import TokeniserSettings
from ostinato.errors import DataError

NAN = np.nan


def series(*rows: list, labels: list[str] | None = None) -> Samples:
    inputs = [np.array(row, np.float32) for row in rows]
    features = tuple("xyz"[: inputs[0].shape[1]])
    places = [f"line {line}" for line in range(1, len(rows) + 1)]
    return Samples(inputs, labels or [], places, "small.ts", features)


def texts(*lines: str, labels: list[str]) -> Samples:
    return Samples(list(lines), labels, [f"line {n}" for n in range(1, len(lines) + 1)], "t.csv")


TWO = series([[1, 10], [3, 10]], [[5, 10]], labels=["b", "a"])


def test_each_feature_is_scaled_by_all_steps_of_training() -> None:
    codec = learn_series_codec(TWO, scale=True, fold=1)
    encoded = codec.encode(TWO)
    np.testing.assert_allclose(encoded.steps[:, 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(encoded.steps[:, 0].std(), 1, rtol=1e-6)
    np.testing.assert_array_equal(encoded.steps[:, 1], 0)  # a constant says nothing
    assert encoded.lengths.tolist() == [2, 1]


def test_missing_values_become_the_mean_and_are_marked_beside() -> None:
    samples = series([[1.0], [NAN], [3.0]], [[2.0]], labels=["a", "b"])
    codec = learn_series_codec(samples, scale=True, fold=1)
    steps = codec.encode(samples).steps
    assert codec.width == 2
    np.testing.assert_array_equal(steps[:, 1], [0, 1, 0, 0])
    assert steps[1, 0] == 0
    np.testing.assert_allclose(steps[[0, 2], 0], [-(1.5**0.5), 1.5**0.5], rtol=1e-5)


def test_a_value_missing_that_never_was_in_training_is_refused_with_its_place() -> None:
    codec = learn_series_codec(TWO, scale=True, fold=1)
    with pytest.raises(DataError, match=r"line 1: 'y' is missing at step 2"):
        codec.encode(series([[1, 1], [1, NAN]]))


def test_other_features_than_in_training_are_refused() -> None:
    codec = learn_series_codec(TWO, scale=True, fold=1)
    with pytest.raises(DataError, match="has no column 'y', which the model was trained with"):
        codec.encode(series([[1]]))
    unnamed = replace(series([[1]]), features=("dimension 1",))
    with pytest.raises(DataError, match="a step has 1 numbers, and 2 in training"):
        codec.encode(unnamed)


def test_folded_steps_stand_side_by_side_and_zeros_fill_the_last() -> None:
    samples = series([[1, 2], [3, 4], [5, 6]], labels=["a"])
    codec = learn_series_codec(samples, scale=False, fold=2)
    encoded = codec.encode(samples)
    np.testing.assert_array_equal(encoded.steps, [[1, 2, 3, 4], [5, 6, 0, 0]])
    assert codec.width == 4


def test_a_fixed_order_of_steps_is_that_of_its_seed_for_every_sample(tmp_path: Path) -> None:
    rows = [[[float(step)] for step in range(20)]] * 2
    samples = series(*rows, labels=["a", "b"])
    codec = learn_series_codec(samples, scale=False, fold=1, permutation=4)
    steps = codec.encode(samples).steps[:, 0]
    assert sorted(steps[:20].tolist()) == list(range(20))
    assert steps[:20].tolist() == steps[20:].tolist() == list(codec.order or ())
    assert steps[:20].tolist() != list(range(20))
    learn_sample_codec(samples, codec).save(tmp_path)
    assert SampleCodec.load(tmp_path).inputs == codec
    other = learn_series_codec(samples, scale=False, fold=1, permutation=5)
    assert other.order != codec.order


def test_samples_of_different_length_have_no_fixed_order() -> None:
    with pytest.raises(DataError, match="holds samples of 1 to 2 steps"):
        learn_series_codec(TWO, scale=True, fold=1, permutation=0)
    codec = learn_series_codec(series([[1, 1], [2, 2]]), scale=True, fold=1, permutation=0)
    with pytest.raises(DataError, match="line 1 has 1 steps, but the model reads 2"):
        codec.encode(series([[1, 1]]))


def test_labels_of_a_cell_are_each_once_without_the_space_around_them() -> None:
    assert labels_of(" sad | slow|sad||", "|") == ["sad", "slow"]
    assert labels_of("", "|") == []


def test_a_sample_has_any_number_of_labels(tmp_path: Path) -> None:
    samples = texts("x", "y", "z", labels=["b|a", "", "b"])
    inputs = learn_text_codec(samples, TokeniserSettings(), lowercase=False, part_marks=False)
    learn_sample_codec(samples, inputs, "|").save(tmp_path)
    codec = SampleCodec.load(tmp_path)
    assert (codec.classes, codec.counts, codec.samples) == (("a", "b"), (1, 2), 3)
    part = encode_samples(samples, codec)
    assert part.classes.tolist() == [[True, True], [False, False], [False, True]]


def test_classes_are_in_the_order_of_their_numbers_or_names() -> None:
    codec = learn_series_codec(TWO, scale=True, fold=1)
    assert learn_sample_codec(TWO, codec).classes == ("a", "b")
    ten = texts("x", "y", "z", "z", labels=["10", "9", "x", "9"])
    inputs = learn_text_codec(ten, TokeniserSettings(), lowercase=False, part_marks=False)
    found = learn_sample_codec(ten, inputs)
    assert (found.classes, found.counts) == (("9", "10", "x"), (2, 1, 1))


def test_one_class_alone_is_refused() -> None:
    codec = learn_series_codec(TWO, scale=True, fold=1)
    with pytest.raises(DataError, match="one class only, 'a'"):
        learn_sample_codec(series([[1, 2]], labels=["a"]), codec)


@pytest.mark.parametrize("kind", ["series", "text"])
def test_a_codec_comes_back_as_it_was(tmp_path: Path, kind: str) -> None:
    samples = {"series": TWO, "text": texts("Ab, c", "d", labels=["p", "q"])}[kind]
    inputs = {
        "series": lambda: learn_series_codec(samples, scale=True, fold=2),
        "text": lambda: learn_text_codec(
            samples, TokeniserSettings("words"), lowercase=True, part_marks=True
        ),
    }[kind]()
    codec = learn_sample_codec(samples, inputs)
    codec.save(tmp_path)
    loaded = SampleCodec.load(tmp_path)
    assert (loaded.classes, loaded.counts) == (codec.classes, codec.counts)
    first, second = encode_samples(samples, codec), encode_samples(samples, loaded)
    numbers = np.arange(len(samples))
    np.testing.assert_array_equal(first.inputs.padded(numbers)[0], second.inputs.padded(numbers)[0])


def test_marks_are_parted_and_letters_made_small() -> None:
    samples = texts("Good, Bob!", "bad", labels=["p", "q"])
    codec = learn_text_codec(samples, TokeniserSettings("words"), lowercase=True, part_marks=True)
    assert codec.prepared("Good, Bob!") == "good , bob !"
    assert codec.encode(samples).lengths.tolist() == [4, 1]


def test_a_class_that_never_occurs_in_training_is_named_with_the_nearest() -> None:
    samples = texts("x", "y", labels=["Greek", "Irish"])
    inputs = learn_text_codec(samples, TokeniserSettings(), lowercase=False, part_marks=False)
    codec = learn_sample_codec(samples, inputs)
    with pytest.raises(DataError, match=r"line 2: the class 'Grek' never .*mean 'Greek'"):
        encode_samples(texts("x", "y", labels=["Irish", "Grek"]), codec)


def test_texts_in_place_of_series_are_refused() -> None:
    codec = learn_sample_codec(TWO, learn_series_codec(TWO, scale=True, fold=1))
    with pytest.raises(DataError, match="holds texts, and the model was trained on series"):
        encode_samples(texts("x", labels=["a"]), codec)


def many() -> SampleBatches:
    generator = np.random.default_rng(0)
    rows = [generator.normal(size=(length, 1)) for length in generator.integers(1, 60, 500)]
    samples = series(*rows, labels=["ab"[number % 2] for number in range(500)])
    codec = learn_sample_codec(samples, learn_series_codec(samples, scale=False, fold=1))
    return SampleBatches(encode_samples(samples, codec), steps=600, samples=32, order=Order(3, 1))


def test_an_epoch_reads_every_sample_once_within_the_limits_with_little_padding() -> None:
    batches = many()
    windows = [batches[index] for index in range(len(batches))]
    read = np.concatenate([window.rows.numpy() for window in windows])
    assert sorted(read.tolist()) == list(range(500))
    assert all(window.inputs.shape[0] * window.inputs.shape[1] <= 600 for window in windows)
    assert all(len(window.lengths) <= 32 for window in windows)
    assert batches.padding_share < 0.1


def test_a_window_holds_each_series_and_zeros_behind_it() -> None:
    batches = many()
    window = batches[4]
    row, length = window.rows[0].item(), int(window.lengths[0])
    start = batches.part.inputs.starts[row]
    np.testing.assert_array_equal(
        window.inputs[0, :length].numpy(), batches.part.inputs.steps[start : start + length]
    )
    assert (window.inputs[0, length:] == 0).all()
    assert window.targets[0].item() == row % 2


def test_the_order_is_that_of_seed_and_epoch_alone() -> None:
    first, again = many(), many()
    assert all(
        np.array_equal(one, other) for one, other in zip(first.batches, again.batches, strict=True)
    )
    other = SampleBatches(first.part, steps=600, samples=32, order=Order(3, 2))
    assert [batch.tolist() for batch in other.batches] != [
        batch.tolist() for batch in first.batches
    ]


def test_processes_share_each_batch_between_them() -> None:
    whole = many()
    halves = [
        SampleBatches(whole.part, steps=600, samples=32, order=Order(3, 1, rank, 2))
        for rank in (0, 1)
    ]
    together = sorted([*halves[0][7].rows.tolist(), *halves[1][7].rows.tolist()])
    assert together == sorted(whole[7].rows.tolist())
    assert halves[0][7].units + halves[1][7].units == whole[7].units
