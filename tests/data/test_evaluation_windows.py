import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.data import EvaluationWindows
from ostinato.errors import SettingsError

END = 0
documents = st.lists(st.lists(st.integers(1, 50), min_size=0, max_size=25), min_size=1, max_size=9)
sizes = st.integers(1, 9)


def losses(windows):
    """What a stand-in for a model says of each counted target, from all tokens before it."""
    found = []
    state = torch.zeros(0)
    for index in range(len(windows)):
        window = windows[index]
        state = torch.ones(len(window.inputs), dtype=torch.int64) if window.fresh else state
        for step in range(window.inputs.shape[1]):
            state = (state * 31 + window.inputs[:, step] + 7) % 10007
            loss = state * 100 + window.targets[:, step]
            found += loss[window.counted[:, step]].tolist()
        assert window.advance == window.inputs.shape[1]
        assert window.resets is None
    return sorted(found)


def losses_of_documents(texts, with_ends):
    found = []
    for text in texts:
        state = 1
        for token, target in zip([END, *text], [*text, END], strict=True):
            state = (state * 31 + token + 7) % 10007
            found += [state * 100 + target] * (with_ends or target != END)
    return sorted(found)


@settings(max_examples=80, deadline=None)
@given(documents, sizes, sizes, st.booleans())
def test_each_target_is_judged_once_from_its_whole_document_whatever_batch_and_window(
    part_of, texts, batch_size, window, counts_ends
):
    windows = EvaluationWindows(part_of(texts, counts_ends), batch_size, window)
    assert losses(windows) == losses_of_documents(texts, counts_ends)
    units = sum(windows[index].units for index in range(len(windows)))
    assert units == windows.tokens.counted_targets


def test_a_batch_groups_documents_of_similar_length(part_of):
    windows = EvaluationWindows(part_of([[1] * 9, [2], [3] * 9, [4]]), 2, 100)
    assert [tuple(windows[index].inputs.shape) for index in range(len(windows))] == [
        (2, 10),
        (2, 2),
    ]


def test_window_names_file_and_place(part_of):
    windows = EvaluationWindows(part_of([[1] * 9]), 2, 4)
    assert windows[1].where == "train.txt, 1 documents from token 0 on, tokens 4-8 of each"


def test_sizes_below_one_are_refused(part_of):
    with pytest.raises(SettingsError, match="at least 1"):
        EvaluationWindows(part_of([[1]]), 0, 4)
