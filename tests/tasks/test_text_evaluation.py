"""Figures on a part of the text, and how often they are taken."""

from pathlib import Path

import pytest

from ostinato.data import TokenPart
from ostinato.tasks.settings import TrainingSettings
from ostinato.tasks.text.task import Settings, build, evaluate, prepare
from ostinato.tasks.training_run import build_plan


@pytest.fixture
def part(text: Path, tmp_path: Path) -> TokenPart:
    """Forty and more documents of unequal length."""
    settings = Settings(data=(str(text),), document="paragraph", cache_dir=tmp_path / "cache")
    validation = prepare(settings).validation
    assert validation is not None
    return validation


@pytest.fixture
def model():
    return build(Settings(data=("unused",), hidden_size=8), 200)


def test_a_limit_reads_about_so_many_tokens(part: TokenPart, model) -> None:
    figures = evaluate(model, part, batch_size=2, window=8, limit=100)
    assert 100 <= figures["tokens"] < 100 + 2 * 8


def test_a_limit_beyond_the_part_reads_all(part: TokenPart, model) -> None:
    limited = evaluate(model, part, limit=10**9)
    assert limited["tokens"] == part.counted_targets
    assert limited["nats_per_token"] == pytest.approx(evaluate(model, part)["nats_per_token"])


def test_a_limited_figure_is_near_the_whole(part: TokenPart, model) -> None:
    whole = evaluate(model, part)["nats_per_token"]
    limited = evaluate(model, part, batch_size=1, limit=part.counted_targets // 3)
    assert limited["nats_per_token"] == pytest.approx(whole, rel=0.02)


def test_evaluating_leaves_the_model_in_its_mode(part: TokenPart, model) -> None:
    evaluate(model.train(), part, limit=1)
    assert model.training
    evaluate(model.eval(), part, limit=1)
    assert not model.training


@pytest.mark.parametrize(
    ("updates", "cost", "expected"),
    [(1000, 0.0, 100), (1000, 10.0, 100), (1000, 50.0, 200), (100, 50.0, 100), (3, 0.0, 1)],
)
def test_costly_validations_are_rare(updates: int, cost: float, expected: int) -> None:
    plan = build_plan(TrainingSettings(updates=updates), 7, cost)
    assert plan.validate_every == expected


def test_checkpoints_are_never_far_apart() -> None:
    assert build_plan(TrainingSettings(updates=100_000), 7).checkpoint_every == 500
    assert build_plan(TrainingSettings(updates=100), 7).checkpoint_every == 10


def test_epochs_become_updates() -> None:
    assert build_plan(TrainingSettings(epochs=2.5), 100).updates == 250
    assert build_plan(TrainingSettings(), 100).updates == 1000
