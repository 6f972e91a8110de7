"""Batches of pairs: each pair once, little padding, the same order for the same seed and epoch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.data import (
    BatchLimits,
    PairBatches,
    PairCodec,
    PairPart,
    Pairs,
    TokeniserSettings,
    encode_pairs,
    join_pairs,
    learn_codec,
)
from ostinato.data.sorted_pools import Order
from ostinato.errors import DataError, SettingsError

CODEC = learn_codec(TokeniserSettings("bytes"), [])


def part_of(lengths: list[tuple[int, int]], longest: int | None = None) -> PairPart:
    """Pairs of these lengths in bytes; each source begins with its number's letter."""
    sources = ["s" * source for source, _ in lengths]
    targets = ["t" * target for _, target in lengths]
    pairs = Pairs(sources, targets, list(range(1, len(lengths) + 1)), "pairs.tsv", blank=0)
    return encode_pairs(pairs, PairCodec(CODEC, CODEC), longest)


def random_part(seed: int, pairs: int = 500) -> PairPart:
    generator = np.random.default_rng(seed)
    sources = generator.integers(1, 40, pairs)
    return part_of([(int(one), int(one) + 1 + int(one) % 3) for one in sources])


def orders(batches: PairBatches) -> list[list[int]]:
    return [batch.tolist() for batch in batches.batches]


@settings(deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=60),
    tokens=st.integers(1, 200),
    pairs=st.integers(1, 20),
    seed=st.one_of(st.none(), st.integers(0, 5)),
)
def test_every_pair_comes_once_and_no_batch_is_too_large(
    lengths: list[tuple[int, int]], tokens: int, pairs: int, seed: int | None
) -> None:
    batches = PairBatches(part_of(lengths), BatchLimits(tokens, pairs), order=Order(seed))
    read = [batches[index] for index in range(len(batches))]
    seen = sorted(row for batch in orders(batches) for row in batch)
    assert seen == list(range(len(lengths)))
    assert sum(window.units for window in read) == sum(target + 1 for _, target in lengths)
    assert all(len(window.inputs) <= pairs for window in read)
    larger = [
        window for window in read if max(window.inputs.numel(), window.targets.numel()) > tokens
    ]
    assert all(len(window.inputs) == 1 for window in larger)


def test_a_window_holds_the_pairs_tokens_with_start_and_end() -> None:
    pairs = Pairs(["ab", "c"], ["x", "yz"], [3, 7], "pairs.tsv", blank=0)
    part = encode_pairs(pairs, PairCodec(CODEC, CODEC), None)
    window = PairBatches(part, BatchLimits(100, 100))[0]
    end = CODEC.boundary_index
    assert window.inputs.tolist() == [[97, 98], [99, 0]]
    assert window.source_lengths.tolist() == [2, 1]
    assert window.target_in.tolist() == [[end, 120, 0], [end, 121, 122]]
    assert window.targets.tolist() == [[120, end, 0], [121, 122, end]]
    assert window.counted.tolist() == [[True, True, False], [True, True, True]]
    assert window.where == "pairs.tsv, lines 3, 7"
    assert (window.units, window.fresh) == (5, True)


def test_windows_are_those_that_lists_of_tokens_give() -> None:
    part = random_part(6, pairs=60)
    batches = PairBatches(part, BatchLimits(200, 9), order=Order(0))
    for rows, index in zip(batches.batches, range(len(batches)), strict=True):
        expected = join_pairs(
            [part.source[row] for row in rows],
            [part.target[row] for row in rows],
            start_index=CODEC.boundary_index,
            end_index=CODEC.boundary_index,
            pad_index=0,
            where=batches[index].where,
        )
        assert batches[index].units == expected.units
        for ours, theirs in zip(batches[index][:6], expected[:6], strict=True):
            torch.testing.assert_close(ours, theirs)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    part, limits = random_part(1), BatchLimits(300, 50)
    first = orders(PairBatches(part, limits, order=Order(1, 2)))
    np.random.seed(5)
    torch.manual_seed(5)
    assert orders(PairBatches(part, limits, order=Order(1, 2))) == first
    assert orders(PairBatches(part, limits, order=Order(1, 3))) != first
    assert orders(PairBatches(part, limits, order=Order(2, 2))) != first


def test_pairs_meet_others_in_the_next_epoch() -> None:
    part, limits = random_part(2), BatchLimits(300, 50)
    epochs = [
        {tuple(sorted(batch)) for batch in orders(PairBatches(part, limits, order=Order(1, epoch)))}
        for epoch in (0, 1)
    ]
    assert len(epochs[0] & epochs[1]) < len(epochs[0]) / 10


def test_little_is_padding() -> None:
    part = random_part(3, pairs=4000)
    assert PairBatches(part, BatchLimits(1000, 1000), order=Order(0)).padding_share < 0.05
    one_by_one = PairBatches(part, BatchLimits(1000, 1), order=Order(0))
    assert one_by_one.padding_share == 0.0


def test_the_padding_share_is_that_of_the_windows() -> None:
    batches = PairBatches(random_part(4), BatchLimits(200, 7), order=Order(0))
    windows = [batches[index] for index in range(len(batches))]
    real = sum(int(w.source_lengths.sum() + w.target_lengths.sum()) for w in windows)
    positions = sum(w.inputs.numel() + w.targets.numel() for w in windows)
    assert batches.padding_share == pytest.approx(1 - real / positions)


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_each_batch(world_size: int) -> None:
    part, limits = random_part(5, pairs=40), BatchLimits(100, 5)
    whole = PairBatches(part, limits, order=Order(0))
    shares = [
        PairBatches(part, limits, order=Order(0, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    for index in range(len(whole)):
        assert whole[index].units == sum(share[index].units for share in shares)


def test_a_process_without_a_row_reads_one_that_does_not_count() -> None:
    shares = [
        PairBatches(part_of([(3, 4)]), BatchLimits(9, 9), order=Order(rank=rank, world_size=2))
        for rank in (0, 1)
    ]
    assert shares[0][0].units == 5
    assert shares[1][0].units == 0
    assert not shares[1][0].counted.any()
    assert shares[1][0].inputs.shape == (1, 3)


def test_too_long_pairs_are_left_out_and_counted() -> None:
    part = part_of([(3, 4), (9, 2), (2, 10), (5, 5)], longest=5)
    assert (len(part), part.too_long, part.lines.tolist()) == (2, 2, [1, 4])
    assert part.source[1] == [ord("s")] * 5
    assert part.counted_targets == 4 + 1 + 5 + 1


def test_where_all_are_too_long_that_is_said() -> None:
    with pytest.raises(DataError, match=r"no pair of at most 2 tokens a side .* has 3\)"):
        part_of([(3, 3), (4, 1)], longest=2)


def test_limits_that_cannot_be_are_refused() -> None:
    with pytest.raises(SettingsError, match="at least 1 token and 1 pair, not 0 and 5"):
        PairBatches(part_of([(1, 1)]), BatchLimits(0, 5))


def test_a_batch_that_is_not_there_is_an_index_error() -> None:
    with pytest.raises(IndexError, match="batch 1 of an epoch of 1"):
        PairBatches(part_of([(1, 1)]), BatchLimits(5, 5))[1]


def test_unknown_tokens_of_the_targets_are_counted() -> None:
    words = learn_codec(TokeniserSettings("words"), ["a b"])
    pairs = Pairs(["a"], ["a c d b"], [1], "pairs.tsv", blank=0)
    assert encode_pairs(pairs, PairCodec(words, words), None).unknown_share == 0.5
