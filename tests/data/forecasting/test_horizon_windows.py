"""Windows of history and horizon: as many as the formula says, none past the training part."""

import numpy as np
import pytest
import torch

from ostinato.data.forecasting.horizon_windows import HorizonSource, cut_windows, origins_within
from ostinato.data.forecasting.prepared import PreparedSeries
from ostinato.data.forecasting.series import Series
from ostinato.data.forecasting.splits import split_by_time
from ostinato.errors import DataError


def prepared(rows: int, first: float = 0.0) -> PreparedSeries:
    values = (first + np.arange(rows, dtype=np.float32))[:, None]
    covariates = np.arange(rows + 4, dtype=np.float32)[:, None]
    return PreparedSeries(values, np.ones((rows, 1), dtype=bool), covariates)


def series(rows: int) -> Series:
    return Series("", 0, np.zeros((rows, 1), dtype=np.float32), np.zeros((rows, 0), np.float32))


def test_an_epoch_has_every_window_of_the_training_part_once() -> None:
    source = HorizonSource([prepared(60), prepared(30, 1000.0)], [40, 20], 7, 9, 4, seed=0)
    epoch = source.epoch(1)
    starts = [
        float(start) for index in range(len(epoch)) for start in epoch[index].targets[:, 0, 0]
    ]
    expected = [*range(9, 37), *range(1009, 1017)]
    assert sorted(starts) == expected
    assert len(expected) == (40 - 9 - 4 + 1) + (20 - 9 - 4 + 1)


def test_a_window_holds_the_rows_before_and_after_its_place() -> None:
    window = cut_windows([prepared(30)], [(0, 3), (0, 12)], 5, 4)
    assert window.inputs[:, :, 0].tolist() == [[0, 0, 0, 1, 2], [7, 8, 9, 10, 11]]
    assert window.seen[0, :, 0].tolist() == [False, False, True, True, True]
    assert window.targets[:, :, 0].tolist() == [[3, 4, 5, 6], [12, 13, 14, 15]]
    assert window.ahead[1, :, 0].tolist() == [12, 13, 14, 15]
    assert window.units == 8


def test_changing_what_comes_after_the_training_part_changes_no_window() -> None:
    before, after = prepared(60), prepared(60)
    after.values[40:] = -1.0
    first, second = (HorizonSource([one], [40], 8, 9, 4, 0).epoch(0) for one in (before, after))
    for index in range(len(first)):
        assert torch.equal(first[index].inputs, second[index].inputs)
        assert torch.equal(first[index].targets, second[index].targets)


def test_processes_share_a_batch() -> None:
    whole = HorizonSource([prepared(60)], [40], 8, 9, 4, 0).epoch(0)
    parts = [HorizonSource([prepared(60)], [40], 8, 9, 4, 0, rank, 3).epoch(0) for rank in range(3)]
    shared = torch.cat([part[1].targets for part in parts])
    assert torch.equal(shared, whole[1].targets)
    last = [part[len(whole) - 1].units for part in parts]
    assert sum(last) == whole[len(whole) - 1].units


def test_series_shorter_than_the_history_begin_with_missing_steps() -> None:
    epoch = HorizonSource([prepared(10)], [6], 8, 20, 4, 0).epoch(0)
    assert len(epoch) == 1
    assert epoch[0].inputs.shape == (1, 20, 1)
    assert int(epoch[0].seen.sum()) == 2


@pytest.mark.parametrize(("horizon", "windows"), [(96, 2785), (192, 2689), (720, 2161)])
def test_the_split_of_ett_has_as_many_windows_as_the_literature(horizon: int, windows: int) -> None:
    parts = split_by_time(
        {"": series(17420)}, 0.1, 0.2, dated=True, steps=(12 * 720, 4 * 720, 4 * 720)
    )[""]
    assert (parts.train_end, parts.validation_end, parts.test_end) == (8640, 11520, 14400)
    for first, stop in ((8640, 11520), (11520, 14400)):
        assert len(origins_within(first, stop, horizon)) == windows == 2880 - horizon + 1
    training = HorizonSource([prepared(8640)], [8640], 32, 96, horizon, 0)
    assert len(training.origins()[0]) == 8640 - 96 - horizon + 1


def test_a_split_longer_than_the_series_is_refused() -> None:
    with pytest.raises(DataError, match="takes 12 steps, and the series has 10"):
        split_by_time({"": series(10)}, 0.1, 0.2, dated=False, steps=(6, 3, 3))
