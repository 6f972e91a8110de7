"""Pairs of any lengths as one batch."""

import torch

from ostinato.data import join_pairs

INDICES = {"start_index": 1, "end_index": 2, "pad_index": 0, "where": "pairs.tsv, line 1"}


def test_targets_are_read_from_a_start_and_predicted_to_an_end() -> None:
    window = join_pairs([[5, 6, 7], [8]], [[3], [4, 9]], **INDICES)
    assert window.inputs.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert window.source_lengths.tolist() == [3, 1]
    assert window.target_in.tolist() == [[1, 3, 0], [1, 4, 9]]
    assert window.targets.tolist() == [[3, 2, 0], [4, 9, 2]]
    assert window.target_lengths.tolist() == [2, 3]


def test_padding_does_not_count() -> None:
    window = join_pairs([[5], [8]], [[3], [4, 9]], **INDICES)
    assert window.counted.tolist() == [[True, True, False], [True, True, True]]
    assert window.units == 5


def test_an_empty_side_is_no_step_but_has_an_end() -> None:
    window = join_pairs([[], []], [[], []], **INDICES)
    assert window.inputs.shape == (2, 0)
    assert window.inputs.dtype == torch.long
    assert window.targets.tolist() == [[2], [2]]


def test_what_can_be_copied_is_padded_as_the_source() -> None:
    window = join_pairs([[5, 6], [8]], [[3], [3]], copied=[[15, 16], [18]], **INDICES)
    assert window.copied.tolist() == [[15, 16], [18, 0]]
