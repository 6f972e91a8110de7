"""Conformal shifts hold what they promise; what is counted step by step is right."""

import numpy as np
import pytest
from scipy import stats

from ostinato.data.forecasting.by_step import NOMINAL, StepJudge
from ostinato.data.forecasting.conformal import learn_shifts, only_wider, shifted
from ostinato.data.forecasting.intervals import IntervalJudge
from ostinato.errors import DataError

LEVELS = (0.1, 0.5, 0.9)


def too_sure(chance: np.random.Generator, count: int) -> np.ndarray:
    """Errors of quantiles that a forecaster took for those of a third of the true deviation."""
    truth = chance.normal(size=(count, 2, 1))
    claimed = stats.norm.ppf(LEVELS).reshape(1, 3, 1, 1) / 3
    return truth[:, None] - claimed


def test_coverage_after_calibration_is_within_the_binomial_band_of_nominal() -> None:
    chance = np.random.default_rng(0)
    shifts = learn_shifts({"a": too_sure(chance, 2000)}, LEVELS)["a"]
    later = too_sure(chance, 4000)
    inside = (later[:, 0] >= 0) & (later[:, 2] <= 0)
    calibrated = later - shifts
    after = (calibrated[:, 0] >= 0) & (calibrated[:, 2] <= 0)
    # The band of both draws: that of the calibration and that of the test.
    deviation = np.sqrt(0.8 * 0.2 * (1 / 2000 + 1 / 4000))
    assert inside.mean() < 0.4
    assert after.mean((0, 2)) == pytest.approx([0.8, 0.8], abs=4 * deviation)


def test_with_few_values_the_promise_holds_on_average_over_many_calibrations() -> None:
    chance = np.random.default_rng(1)
    covered = []
    for _ in range(400):
        shifts = learn_shifts({"a": too_sure(chance, 19)}, LEVELS)["a"]
        later = too_sure(chance, 50) - shifts
        covered.append(((later[:, 0] >= 0) & (later[:, 2] <= 0)).mean())
    assert 0.79 <= np.mean(covered) <= 0.84


def test_the_shift_is_the_value_of_the_published_rank() -> None:
    errors = np.arange(1.0, 20.0).reshape(-1, 1, 1, 1) * np.ones((1, 2, 1, 1))
    shifts = learn_shifts({"a": errors}, (0.1, 0.9))["a"]
    assert shifts[:, 0, 0].tolist() == [2.0, 18.0]


def test_a_series_with_too_few_values_takes_the_shifts_of_all() -> None:
    chance = np.random.default_rng(2)
    errors = {"long": too_sure(chance, 50), "short": too_sure(chance, 3)}
    shifts = learn_shifts(errors, LEVELS)
    pooled = learn_shifts({"": np.concatenate([errors["long"], errors["short"]])}, LEVELS)[""]
    np.testing.assert_array_equal(shifts["short"], pooled)
    assert not np.array_equal(shifts["long"], pooled)


def test_too_few_values_of_all_series_are_refused_with_their_number() -> None:
    errors = too_sure(np.random.default_rng(3), 12)
    errors[4:, :, 1] = np.nan
    with pytest.raises(DataError, match=r"needs 9 values .* at one there are 4"):
        learn_shifts({"a": errors}, LEVELS)


def test_quantiles_only_move_away_from_the_middle_which_stays() -> None:
    shifts = np.array([[[-1.0], [2.0]], [[3.0], [-3.0]], [[-4.0], [5.0]]])
    found = only_wider(shifts, LEVELS)[..., 0]
    assert found.tolist() == [[-1.0, 0.0], [0.0, 0.0], [0.0, 5.0]]


def test_shifted_quantiles_never_cross() -> None:
    quantiles, shifts = np.array([[1.0], [2.0]]), np.array([[3.0], [0.0]])
    assert shifted(quantiles, shifts)[:, 0].tolist() == [2.0, 4.0]


def test_errors_are_told_for_each_step_and_missing_values_count_nowhere() -> None:
    judge = StepJudge(2)
    paths = np.zeros((3, 2, 1))
    judge.add(paths, np.array([[1.0], [np.nan]]))
    judge.add(paths, np.array([[3.0], [4.0]]))
    assert judge.mean_errors.tolist() == judge.mean_scores.tolist() == [2.0, 4.0]


def test_coverage_of_a_true_distribution_is_what_it_promises() -> None:
    chance = np.random.default_rng(4)
    paths = stats.norm.ppf((np.arange(400) + 0.5) / 400).reshape(-1, 1, 1)
    judge = StepJudge(1)
    for truth in chance.normal(size=4000):
        judge.add(paths, np.array([[truth]]))
    coverage = judge.coverage
    assert coverage == pytest.approx(np.array(NOMINAL), abs=4 * np.sqrt(0.25 / 4000))


def test_points_have_no_coverage() -> None:
    judge = StepJudge(1)
    judge.add(np.zeros((1, 1, 1)), np.ones((1, 1)))
    assert judge.coverage is None


def test_intervals_are_told_before_and_after() -> None:
    judge = IntervalJudge()
    quantiles = np.array([[[0.0], [0.0]], [[1.0], [1.0]]])
    judge.add(quantiles, quantiles * 3, np.array([[2.0], [np.nan]]))
    assert judge.figures() == {
        "coverage_before": 0.0,
        "coverage": 1.0,
        "width_before": 1.0,
        "width": 3.0,
    }
