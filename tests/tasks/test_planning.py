"""Planners train, resume bit for bit, plan at any scale, and are refused in words."""

from pathlib import Path

import numpy as np
import pytest
import torch

import ostinato
from ostinato.checkpoint import load_checkpoint
from ostinato.decoding import Sampling
from ostinato.errors import CheckpointError, DataError, SettingsError
from ostinato.models import rules_for
from ostinato.tasks.planning.objectives import (
    PlannerToBeat,
    RewardObjective,
    answers_of,
    lengths_of,
)
from ostinato.tasks.planning.settings import PlanningSettings
from ostinato.tasks.planning.task import PlanningRun, build, load_planner, prepare, resume, train
from ostinato.tasks.training_run import SLOW_BFLOAT16
from ostinato.training import Observer

SMALL = {
    "points": "4-6",
    "hidden_size": 8,
    "batch_size": 6,
    "epoch_size": 30,
    "updates": 14,
    "validate_every": 7,
    "checkpoint_every": 7,
    "validation_instances": 10,
    "threads": 1,
    "workers": 0,
    "device": "cpu",
}
REWARDS = {"problem": "tsp", "train_with": "rewards"}
KINDS = {
    "labels": {"problem": "convex-hull", "dropout": 0.2, "layers": 2},
    "rewards": REWARDS,
    "transformer": {"problem": "delaunay", "model": "transformer", "heads": 2, "blocks": 1},
    "attention": REWARDS | {"model": "attention", "heads": 2, "blocks": 1, "dropout": 0.1},
}


def settings(folder: Path, **changes) -> PlanningSettings:
    return PlanningSettings(**(SMALL | {"run": folder, "cache_dir": folder / "cache"} | changes))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    name = (folder / "checkpoints" / "last").read_text()
    return load_checkpoint(folder / "checkpoints" / name).tensors["model"]


@pytest.fixture(scope="module")
def sorter(tmp_path_factory: pytest.TempPathFactory) -> PlanningRun:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("sort")
    changes = {"hidden_size": 32, "batch_size": 64, "learning_rate": 1e-2, "updates": 220}
    rest = {"validate_every": 220, "schedule": "cosine", "points": "3-4", "epoch_size": 100_000}
    return train(settings(folder / "run", problem="sort", **changes, **rest))


def test_sorting_is_learned_in_seconds(sorter: PlanningRun) -> None:
    figures = sorter.evaluate()
    assert figures["accuracy"] > 0.95
    assert figures["instances"] == 1000


def test_a_planner_does_not_mind_place_and_scale(sorter: PlanningRun) -> None:
    numbers = np.array([[0.3], [-2.0], [7.5], [1.0]])
    assert sorter.plan(numbers).tolist() == sorter.plan(numbers * 1e6 + 3e8).tolist()


def test_a_loaded_planner_plans_as_the_trained_one(sorter: PlanningRun) -> None:
    loaded = load_planner(sorter.folder, device="cpu")
    assert loaded.evaluate() == sorter.evaluate()


def test_more_points_than_trained_on_are_planned_with(sorter: PlanningRun) -> None:
    answer = sorter.plan(np.random.default_rng(0).random((30, 1)))
    assert sorted(answer.tolist()) == list(range(30))


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_cut_in_two_ends_bit_identical(tmp_path: Path, kind: str) -> None:
    train(settings(tmp_path / "whole", **KINDS[kind]))
    cut = tmp_path / "cut"
    train(settings(cut, **KINDS[kind], updates=7))
    config = cut / "config.toml"
    config.write_text(config.read_text().replace("updates = 7", "updates = 14"))
    resume(cut)
    expected = weights(tmp_path / "whole")
    found = weights(cut)
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


def test_a_worker_makes_no_difference(tmp_path: Path) -> None:
    train(settings(tmp_path / "none", **KINDS["labels"], updates=7))
    train(settings(tmp_path / "one", **KINDS["labels"], updates=7, workers=1))
    expected, found = weights(tmp_path / "none"), weights(tmp_path / "one")
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


def test_labels_can_be_followed_by_rewards(tmp_path: Path) -> None:
    train(settings(tmp_path / "labels", problem="tsp", updates=2))
    start = {"initial_weights": tmp_path / "labels", "learning_rate": 1e-9, "updates": 1}
    run = train(settings(tmp_path / "rewards", **REWARDS, **start))
    expected = load_planner(tmp_path / "labels", device="cpu").network.state_dict()
    for name, value in run.network.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-6)


def test_initial_weights_of_another_size_are_refused(tmp_path: Path) -> None:
    train(settings(tmp_path / "one", problem="tsp", updates=1))
    changes = {"hidden_size": 10, "initial_weights": tmp_path / "one"}
    with pytest.raises(SettingsError, match="hidden_size is 8 there and 10 here"):
        train(settings(tmp_path / "two", problem="tsp", **changes))


def _reinforce(model: PlannerToBeat, batch, rules) -> torch.Tensor:
    """The gradient of the equation, of the start that the decoder reads."""
    model.network.zero_grad()
    torch.manual_seed(5)
    drawn = answers_of(model.network, rules, batch, Sampling())
    greedy = answers_of(model.baseline, rules, batch, Sampling(0.0))
    advantage = lengths_of(batch, drawn) - lengths_of(batch, greedy)
    likelihood = model.network.log_likelihood(rules, batch.inputs, batch.lengths, drawn).sum(1)
    (advantage * likelihood).sum().backward()
    return model.network.pointing.start.grad.clone()


def test_the_gradient_of_rewards_is_that_of_reinforce(tmp_path: Path) -> None:
    torch.manual_seed(3)
    chosen = settings(tmp_path, **REWARDS)
    model = PlannerToBeat(build(chosen))
    batch, rules = prepare(chosen).epoch(1)[2], rules_for("tsp")
    torch.manual_seed(5)
    RewardObjective(model, rules, lambda epoch: []).forward(batch, None).total.backward()
    found = model.network.pointing.start.grad.clone()
    torch.testing.assert_close(found, _reinforce(model, batch, rules))


def test_a_planner_that_has_learned_is_to_be_beaten_from_the_beginning(tmp_path: Path) -> None:
    chosen = settings(tmp_path, **REWARDS)
    model = PlannerToBeat(build(chosen))
    batch, rules = prepare(chosen).epoch(0)[0], rules_for("tsp")

    def gradient(**options) -> torch.Tensor:
        model.network.zero_grad()
        torch.manual_seed(5)
        RewardObjective(model, rules, lambda epoch: [], **options).forward(
            batch, None
        ).total.backward()
        return model.network.pointing.start.grad.clone()

    found = gradient(trained=True)
    assert not torch.allclose(found, gradient())
    torch.testing.assert_close(found, _reinforce(model, batch, rules))


def test_a_run_of_another_task_is_no_planner(tmp_path: Path) -> None:
    train(settings(tmp_path / "run", problem="sort", updates=1))
    record = tmp_path / "run" / "run.json"
    record.write_text(record.read_text().replace("planning", "text"))
    with pytest.raises(CheckpointError, match="holds a run of text, not of planning"):
        load_planner(tmp_path / "run")


def test_points_of_a_program_are_refused_by_row(sorter: PlanningRun) -> None:
    with pytest.raises(DataError, match="row 2: the same point as row 0"):
        sorter.plan([[1.0], [2.0], [1.0]])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"points": "ten"}, "points must be a number or fewest-most"),
        ({"points": "9-5"}, "points must be fewest-most"),
        ({"points": "2"}, "tsp needs at least 3 points, got 2"),
        ({"problem": "sort", "train_with": "rewards"}, "train_with rewards is for tsp"),
        ({"problem": "delaunay", "model": "attention"}, "attention model is for tsp and sort"),
        ({"model": "attention", "heads": 3}, r"heads must divide hidden_size \(256\), got 3"),
        ({"model": "attention", "glimpses": 1}, "glimpses is for the recurrent model"),
        ({"blocks": 2}, "blocks is for the attention or transformer model, not for recurrent"),
        ({"model": "transformer", "hidden_size": 9, "heads": 3}, "hidden_size must be even"),
        ({"model": "transformer", "heads": 3}, "heads must divide hidden_size"),
        ({"cell": "ltsm"}, "cell must be lstm, gru, rnn, got 'ltsm'; did you mean 'lstm'"),
        ({"dropout": 0.1}, "dropout acts between layers"),
    ],
)
def test_what_cannot_be_is_refused_in_words(changes: dict, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        PlanningSettings(**({"problem": "tsp"} | changes))


def test_public_names_are_the_functions() -> None:
    assert ostinato.load_planner is load_planner


@pytest.mark.parametrize("slow", [True, False])
def test_bfloat16_is_warned_of_where_it_is_slow(tmp_path: Path, monkeypatch, slow: bool) -> None:
    told: list[str] = []

    class Listening(Observer):
        def noted(self, text: str) -> None:
            told.append(text)

    monkeypatch.setattr("ostinato.tasks.training_run.bfloat16_is_slow", lambda device: slow)
    changes = {"problem": "sort", "precision": "bf16", "updates": 1, "validate_every": 1}
    train(settings(tmp_path / "run", **changes), Listening())
    assert [text for text in told if "bfloat16" in text] == ([SLOW_BFLOAT16] if slow else [])
