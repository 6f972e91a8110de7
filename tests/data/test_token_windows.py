import pickle
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from ostinato.data import TokenWindows
from ostinato.errors import DataError, SettingsError

END = 0
documents = st.lists(
    st.lists(st.integers(1, 50), min_size=0, max_size=25), min_size=1, max_size=6
).filter(lambda texts: sum(map(len, texts)) >= 8)
sizes = st.integers(1, 8)
quick = settings(max_examples=60, deadline=None)


def epoch(windows):
    return [windows[index] for index in range(len(windows))]


def history_hash(windows, initial=1):
    """A stand-in for a model: a number that depends on every token since the last reset."""
    carried = torch.zeros(0)
    seen = []
    for window in epoch(windows):
        state = torch.full((len(window.inputs),), initial) if window.fresh else carried
        resets = torch.zeros_like(window.counted) if window.resets is None else window.resets
        states = [state]
        for step in range(window.inputs.shape[1]):
            state = torch.where(resets[:, step], initial, state)
            state = (state * 31 + window.inputs[:, step] + 7) % 10007
            states.append(state)
        carried = states[window.advance]
        outputs = torch.stack(states[1:], dim=1)
        seen.append(torch.where(window.counted, outputs * (window.targets + 3), 0).sum(dim=1))
    return torch.stack(seen).sum(dim=0)


@quick
@given(documents, sizes, sizes, sizes)
def test_streams_put_together_are_the_part_and_every_target_counts_once(
    part_of, texts, batch_size, update_every, context
):
    part = part_of(texts)
    windows = TokenWindows(part, batch_size, update_every, update_every + context)
    counted_inputs = [[] for _ in range(batch_size)]
    counted_targets = [[] for _ in range(batch_size)]
    for window in epoch(windows):
        for row in range(batch_size):
            counted_inputs[row] += window.inputs[row][window.counted[row]].tolist()
            counted_targets[row] += window.targets[row][window.counted[row]].tolist()
    tokens = part.read(0, part.targets + 1).tolist()
    assert list(chain.from_iterable(counted_inputs)) == tokens[:-1]
    assert list(chain.from_iterable(counted_targets)) == tokens[1:]


@quick
@given(documents, sizes, sizes, sizes)
def test_boundaries_do_not_count_where_the_part_says_so(
    part_of, texts, batch_size, update_every, context
):
    part = part_of(texts, counts_ends=False)
    windows = epoch(TokenWindows(part, batch_size, update_every, update_every + context))
    counted = torch.cat([window.targets[window.counted] for window in windows]).tolist()
    assert sorted(counted) == sorted(chain.from_iterable(texts))
    assert sum(window.units for window in windows) == part.counted_targets == len(counted)


@quick
@given(documents, sizes, sizes)
def test_windows_with_carried_state_equal_one_window_over_everything(
    part_of, texts, batch_size, update_every
):
    part = part_of(texts)
    whole = TokenWindows(part, batch_size, 1000, 1000)
    assert len(whole) == 1
    for context in (0, 1, 5):
        windows = TokenWindows(part, batch_size, update_every, update_every + context)
        assert torch.equal(history_hash(windows), history_hash(whole))


@quick
@given(documents, sizes, sizes)
def test_state_depends_on_the_tokens_since_the_last_boundary_alone(part_of, texts, length, context):
    part = part_of(texts)
    expected = 0
    for text in texts:
        state = 1
        for token, target in zip([END, *text], [*text, END], strict=True):
            state = (state * 31 + token + 7) % 10007
            expected += state * (target + 3)
    windows = TokenWindows(part, 1, length, length + context)
    assert history_hash(windows).item() == expected


@quick
@given(documents, sizes, sizes, st.sampled_from([(4, 2), (6, 3), (8, 4), (8, 8)]))
def test_rows_of_all_ranks_are_the_rows_of_one_process(
    part_of, texts, update_every, context, batch
):
    batch_size, world_size = batch
    part = part_of(texts)
    backprop_steps = update_every + context
    alone = epoch(TokenWindows(part, batch_size, update_every, backprop_steps))
    shares = [
        epoch(
            TokenWindows(
                part, batch_size, update_every, backprop_steps, rank=rank, world_size=world_size
            )
        )
        for rank in range(world_size)
    ]
    for index, window in enumerate(alone):
        of_ranks = [share[index] for share in shares]
        assert torch.equal(torch.cat([each.inputs for each in of_ranks]), window.inputs)
        assert torch.equal(torch.cat([each.targets for each in of_ranks]), window.targets)
        assert torch.equal(torch.cat([each.counted for each in of_ranks]), window.counted)
        assert sum(each.units for each in of_ranks) == window.units
        assert {each.advance for each in of_ranks} == {window.advance}


def test_resets_are_where_a_document_begins_inside_a_window(part_of):
    windows = TokenWindows(part_of([[1, 2], [3, 4, 5]]), 1, 4, 4)
    # inputs: end 1 2 end | 3 4 5
    assert windows[0].inputs.tolist() == [[0, 1, 2, 0]]
    assert windows[0].resets.tolist() == [[False, False, False, True]]
    assert windows[1].resets is None


def test_window_is_fresh_exactly_where_it_starts_from_the_initial_state(part_of):
    windows = TokenWindows(part_of([list(range(1, 10))]), 1, 2, 5)
    assert [window.fresh for window in epoch(windows)] == [True, True, False, False, False]


def test_uneven_end_is_padding_that_does_not_count(part_of):
    windows = TokenWindows(part_of([[1, 2, 3, 4]]), 2, 3, 3)
    # five targets in two streams: 1 2 3 | 4 end
    assert windows[0].targets[0].tolist() == [1, 2, 3]
    assert windows[0].targets[1].tolist()[:2] == [4, END]
    assert windows[0].counted.tolist() == [[True, True, True], [True, True, False]]
    assert windows[0].units == 5


def test_window_names_file_and_place(part_of):
    windows = TokenWindows(part_of([list(range(1, 20))]), 2, 4, 4)
    assert windows[1].where == "train.txt, tokens 4-8 of each stream"


def test_tensors_have_the_types_that_embedding_and_masks_need(part_of):
    window = TokenWindows(part_of([[1, 2, 3], [4, 5]]), 1, 5, 5)[0]
    assert window.inputs.dtype == window.targets.dtype == torch.int64
    assert window.counted.dtype == window.resets.dtype == torch.bool
    assert window.inputs.shape == window.targets.shape == window.counted.shape == (1, 5)


@pytest.mark.parametrize("workers", [0, 2])
def test_order_does_not_depend_on_worker_processes(part_of, workers):
    windows = TokenWindows(part_of([list(range(1, 40)), [5, 6]]), 2, 3, 6)
    loader = DataLoader(
        windows, batch_size=None, sampler=range(2, len(windows)), num_workers=workers
    )
    for window, expected in zip(loader, epoch(windows)[2:], strict=True):
        assert torch.equal(window.inputs, expected.inputs)
        assert window.where == expected.where


def test_pickled_part_carries_no_tokens(part_of):
    part = part_of([list(range(1, 20_000))])
    pickled = pickle.dumps(part)
    assert len(pickled) < 2_000
    assert torch.equal(pickle.loads(pickled).read(0, 100), part.read(0, 100))


def test_batch_size_that_processes_do_not_divide_is_refused(part_of):
    with pytest.raises(SettingsError, match=r"batch_size \(6\).*\(4\)"):
        TokenWindows(part_of([[1] * 30]), 6, 2, 2, rank=0, world_size=4)


def test_part_shorter_than_the_batch_is_refused(part_of):
    with pytest.raises(DataError, match=r"train.txt has 3 tokens, too few for 4 streams"):
        TokenWindows(part_of([[1, 2]]), 4, 2, 2)


def test_rank_beyond_the_world_is_refused(part_of):
    with pytest.raises(SettingsError, match="rank"):
        TokenWindows(part_of([[1] * 30]), 4, 2, 2, rank=2, world_size=2)


def test_index_beyond_the_epoch_ends_iteration(part_of):
    windows = TokenWindows(part_of([[1] * 30]), 4, 2, 2)
    assert len([*iter(windows)]) == len(windows)
    with pytest.raises(IndexError):
        windows[len(windows)]


def test_token_file_of_another_size_is_refused(part_of):
    part = part_of([[1, 2, 3]])
    path = part.folder / "train.tokens"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DataError, match="should have 10 bytes but has 8"):
        type(part)(part.name, part.folder, part.record, part.source)


def test_document_bounds_enclose_the_documents(part_of):
    part = part_of([[1, 2], [], [3]])
    assert np.array_equal(part.documents(), [0, 3, 4, 6])
