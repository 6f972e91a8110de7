"""The loop: the same from any interruption, the same in slices, stopped by what is not a number."""

from pathlib import Path
from typing import Any

import pytest
import torch
from models import SeriesModel, SeriesWindows
from torch import Tensor, nn

from ostinato.errors import CheckpointError, TrainingError
from ostinato.training import (
    Averaging,
    Clipping,
    Journal,
    Observer,
    Optimisation,
    Schedule,
    ThroughTime,
    Trainer,
    TrainingPlan,
    build_optimiser,
    read_metrics,
)


def make_trainer(
    folder: Path,
    *,
    updates: int = 12,
    optimiser: str = "adamw",
    windows: Any = None,
    validate: Any = None,
    observer: Observer | None = None,
    fingerprint: str = "f",
    **plan: Any,
) -> Trainer:
    torch.manual_seed(3)
    model = SeriesModel(num_layers=2, dropout=0.3, recurrent_dropout=0.2, zoneout=0.1)
    if windows is None:
        series = torch.randn(4, 30, generator=torch.Generator().manual_seed(1))
        windows = SeriesWindows(series, 4, 6)
    averaging = Averaging(model, patience=1) if optimiser == "asgd" else None
    optimisation = Optimisation(
        build_optimiser(model, optimiser, learning_rate=0.01),
        Schedule("cosine", updates, warm_up=2),
        averaging,
    )
    settings = {"validate_every": 4, "checkpoint_every": 3, "record_every": 2} | plan
    return Trainer(
        ThroughTime(model),
        lambda epoch: windows,
        TrainingPlan(updates=updates, **settings),
        optimisation,
        Journal(folder, fingerprint),
        validate=validate,
        observer=observer,
    )


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in trainer.objective.model.named_parameters()}


class StopAfter(Observer):
    """Raises in the middle of a run, as a crash would."""

    def __init__(self, checkpoints: int) -> None:
        self.left = checkpoints

    def checkpointed(self, folder: Path) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def rising(model: nn.Module) -> dict[str, float]:
    """A validation that gets worse each time it is asked."""
    rising.calls += 1
    return {"nats_per_unit": float(rising.calls)}


@pytest.mark.parametrize("optimiser", ["adamw", "sgd", "asgd"])
@pytest.mark.parametrize("checkpoints", [1, 2, 3])
def test_a_run_cut_off_anywhere_and_resumed_ends_bit_identical(
    tmp_path: Path, optimiser: str, checkpoints: int
) -> None:
    rising.calls = 0
    whole = make_trainer(tmp_path / "whole", optimiser=optimiser, validate=rising)
    whole.run()
    rising.calls = 0
    cut = make_trainer(
        tmp_path / "cut", optimiser=optimiser, validate=rising, observer=StopAfter(checkpoints)
    )
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    torch.randn(7)
    again = make_trainer(tmp_path / "cut", optimiser=optimiser, validate=rising)
    again.run(resume=True)
    ours, theirs = weights(again), weights(whole)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert again.optimisation.averaging is None or again.optimisation.averaging.means is not None


def test_two_workers_give_the_same_weights_as_none(tmp_path: Path) -> None:
    alone = make_trainer(tmp_path / "a")
    alone.run()
    helped = make_trainer(tmp_path / "b", workers=2)
    helped.run()
    ours = weights(helped)
    assert all(torch.equal(ours[name], value) for name, value in weights(alone).items())


def test_a_run_without_a_checkpoint_starts_over(tmp_path: Path) -> None:
    whole = make_trainer(tmp_path / "a")
    whole.run()
    resumed = make_trainer(tmp_path / "b")
    resumed.run(resume=True)
    ours = weights(resumed)
    assert all(torch.equal(ours[name], value) for name, value in weights(whole).items())


def test_metrics_after_the_checkpoint_are_cut_and_written_again(tmp_path: Path) -> None:
    make_trainer(tmp_path / "a").run()
    cut = make_trainer(tmp_path / "b", observer=StopAfter(2))
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    Journal(tmp_path / "b").metrics.append({"update": 11, "nats_per_unit": 9.9})
    make_trainer(tmp_path / "b").run(resume=True)
    kept = [read_metrics(tmp_path / name / "metrics.jsonl") for name in "ab"]
    whole, again = ([line["nats_per_unit"] for line in lines] for lines in kept)
    assert [line["update"] for line in kept[0]] == [line["update"] for line in kept[1]]
    assert again[-1] == whole[-1]


def test_other_data_is_refused_with_a_reason(tmp_path: Path) -> None:
    make_trainer(tmp_path, fingerprint="aaaa").run()
    with pytest.raises(CheckpointError, match=r"trained on other data.*--initial-weights"):
        make_trainer(tmp_path, fingerprint="bbbb").run(resume=True)


def test_another_number_of_threads_is_said_and_goes_on(tmp_path: Path) -> None:
    notes: list[str] = []

    class Listener(Observer):
        def noted(self, text: str) -> None:
            notes.append(text)

    make_trainer(tmp_path, updates=3).run()
    torch.set_num_threads(2)
    make_trainer(tmp_path, updates=6, observer=Listener()).run(resume=True)
    assert notes == ["not bit-identical from here on: number of threads: 1 then, 2 now"]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_slices_of_a_batch_give_the_gradient_of_the_whole(tmp_path: Path, count: int) -> None:
    series = torch.randn(4, 30)
    results = []
    for name, slices in (("a", 1), ("b", count)):
        trainer = make_trainer(
            tmp_path / name,
            updates=4,
            optimiser="sgd",
            windows=SeriesWindows(series, 4, 6),
            micro_batches=slices,
        )
        trainer.objective.eval()
        trainer.objective.train = lambda: None
        trainer.run()
        results.append(weights(trainer))
    for name, value in results[0].items():
        torch.testing.assert_close(results[1][name], value, rtol=1e-5, atol=1e-7)


def test_a_loss_that_is_not_a_number_stops_at_once_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    series = torch.randn(4, 30)
    series[2, 24] = float("nan")
    windows = SeriesWindows(series, 4, 4)
    trainer = make_trainer(tmp_path, windows=windows, checkpoint_every=2)
    with pytest.raises(TrainingError, match=r"update 6: the loss .* sample 2, step 3 of"):
        trainer.run()
    assert Journal(tmp_path).load().manifest["update"] == 4
    assert all(value.isfinite().all() for value in weights(trainer).values())


def test_an_input_that_is_infinite_is_named(tmp_path: Path) -> None:
    series = torch.randn(4, 30)
    series[1, 0] = float("inf")
    trainer = make_trainer(tmp_path, windows=SeriesWindows(series, 4, 4))
    with pytest.raises(TrainingError, match=r"update 1: an input .* sample 1, step 0"):
        trainer.run()


def test_early_stopping_waits_for_patience(tmp_path: Path) -> None:
    rising.calls = 0
    record = make_trainer(tmp_path, updates=40, validate=rising, patience=2).run()
    assert record["update"] == 12
    assert record["stopped_early"]


def test_best_keeps_the_best_validation(tmp_path: Path) -> None:
    rising.calls = 0
    make_trainer(tmp_path, validate=rising).run()
    assert Journal(tmp_path).load("best").manifest["update"] == 4
    assert Journal(tmp_path).load("last").manifest["update"] == 12
    folders = [path for path in (tmp_path / "checkpoints").iterdir() if path.is_dir()]
    assert len(folders) == 2


def test_clipping_scales_to_the_norm_and_tells() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([3.0, 4.0])
    norm, clipped = Clipping(norm=1.0).apply([parameter])
    assert (norm.item(), clipped.item()) == (5.0, True)
    torch.testing.assert_close(parameter.grad, torch.tensor([0.6, 0.8]), rtol=0, atol=1e-5)


def test_clipping_cuts_values_and_tells() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([-3.0, 0.25])
    _, clipped = Clipping(value=0.5).apply([parameter])
    assert clipped.item()
    assert parameter.grad.tolist() == [-0.5, 0.25]


def test_no_clipping_leaves_the_gradient() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([3.0, 4.0])
    _, clipped = Clipping().apply([parameter])
    assert not clipped.item()
    assert parameter.grad.tolist() == [3.0, 4.0]


def test_schedules_follow_their_closed_forms() -> None:
    assert Schedule("constant", 10).factor(7) == 1.0
    assert Schedule("constant", 10, warm_up=3).factor(0) == 0.25
    cosine = Schedule("cosine", 10, warm_up=2)
    assert cosine.factor(2) == 1.0
    assert cosine.factor(6) == pytest.approx(0.5)
    assert cosine.factor(10) == pytest.approx(0.0)
    step = Schedule("step", 100, decay=0.5, every=10, start=20)
    assert [step.factor(update) for update in (19, 20, 29, 30)] == [1.0, 0.5, 0.5, 0.25]


def test_plateau_decays_after_its_patience() -> None:
    plateau = Schedule("plateau", 100, decay=0.1, patience=1)
    for loss in (3.0, 2.0, 2.5):
        plateau.validated(loss)
    assert plateau.factor(5) == 1.0
    plateau.validated(2.1)
    assert plateau.factor(5) == pytest.approx(0.1)


def test_averaging_starts_when_the_validation_is_no_longer_monotone() -> None:
    model = nn.Linear(1, 1, bias=False)
    averaging = Averaging(model, patience=2)
    for loss in (3.0, 2.0, 2.1, 2.2):
        averaging.validated(loss)
    assert averaging.means is None
    averaging.validated(2.3)
    assert averaging.means is not None


def test_the_average_is_the_mean_of_the_weights_since_the_trigger() -> None:
    model = nn.Linear(1, 1, bias=False)
    averaging = Averaging(model, patience=0)
    nn.init.constant_(model.weight, 1.0)
    averaging.validated(1.0)
    averaging.validated(2.0)
    for value in (2.0, 6.0):
        nn.init.constant_(model.weight, value)
        averaging.updated()
    with averaging.in_place():
        assert model.weight.item() == pytest.approx(3.0)
    assert model.weight.item() == 6.0
