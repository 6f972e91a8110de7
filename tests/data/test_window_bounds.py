import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.data.window import check_windows, window_bounds, window_count
from ostinato.errors import SettingsError

lengths = st.integers(1, 60)
updates = st.integers(1, 12)
contexts = st.integers(0, 20)


def every_window(length, update_every, context):
    return [
        window_bounds(index, length, update_every, update_every + context)
        for index in range(window_count(length, update_every))
    ]


@given(lengths, updates, contexts)
def test_every_step_counts_in_exactly_one_window(length, update_every, context):
    windows = every_window(length, update_every, context)
    counted = [step for window in windows for step in range(window.first_counted, window.stop)]
    assert counted == list(range(length))


@given(lengths, updates, contexts)
def test_each_window_starts_where_the_carried_state_is(length, update_every, context):
    windows = every_window(length, update_every, context)
    carried_after = [0]
    for window in windows:
        carried_after.append(carried_after[-1] + window.advance)
    assert carried_after[:-1] == [window.start for window in windows]
    assert all(0 <= window.advance <= window.stop - window.start for window in windows)


@given(lengths, updates, contexts)
def test_gradients_reach_back_between_b_minus_u_and_b_minus_1_steps(length, update_every, context):
    backprop_steps = update_every + context
    reaches = [
        (step, step - window.start)
        for window in every_window(length, update_every, context)
        for step in range(window.first_counted, window.stop)
    ]
    assert all(reach <= backprop_steps - 1 for _, reach in reaches)
    assert all(reach >= min(step, backprop_steps - update_every) for step, reach in reaches)


def test_window_of_equal_u_and_b_is_usual_truncated_bptt():
    windows = every_window(10, 4, 0)
    assert windows == [(0, 0, 4, 4), (4, 4, 8, 4), (8, 8, 10, 2)]


def test_window_with_context_matches_the_formula_by_hand():
    assert every_window(10, 2, 3) == [
        (0, 0, 2, 0),  # steps [0, 2): the next window starts at 0 again
        (0, 2, 4, 1),
        (1, 4, 6, 2),
        (3, 6, 8, 2),
        (5, 8, 10, 2),
    ]


def test_backprop_steps_below_update_every_are_refused():
    with pytest.raises(SettingsError, match=r"backprop_steps \(3\).*update_every \(4\)"):
        check_windows(4, 3)


def test_update_every_below_one_is_refused():
    with pytest.raises(SettingsError, match="update_every"):
        check_windows(0, 3)
