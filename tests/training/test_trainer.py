"""The loop: the same from any interruption, the same in slices."""

from pathlib import Path

import pytest
import torch
from small_models import SeriesWindows
from small_runs import StopAfter, make_trainer, rising, weights

from ostinato.data.window import Window
from ostinato.errors import CheckpointError
from ostinato.tasks.training_speed import speed_of
from ostinato.training import Journal, Observer, read_metrics


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


def test_metrics_tell_how_long_updates_waited_for_their_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0

    class SlowWindows(SeriesWindows):
        def __getitem__(self, index: int) -> Window:
            nonlocal now
            now += 3
            return super().__getitem__(index)

    def moved(window: Window, device: torch.device) -> Window:
        nonlocal now
        now += 1
        return window

    monkeypatch.setattr("time.perf_counter", lambda: now)
    monkeypatch.setattr("ostinato.training.trainer.move_window", moved)
    make_trainer(tmp_path, windows=SlowWindows(torch.randn(4, 30), 4, 6), updates=4).run()
    records = [one for one in read_metrics(tmp_path / "metrics.jsonl") if "seconds" in one]
    assert [one["seconds"] for one in records] == [8, 8]
    assert [one["waiting_share"] for one in records] == [0.75, 0.75]
    assert [one["examples_per_s"] for one in records] == [1, 1]
    speed = speed_of(tmp_path)
    assert speed is not None
    assert (speed.seconds, speed.waiting_share, speed.updates_per_s) == (16, 0.75, 0.25)


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


def test_metrics_end_before_a_damaged_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"update": 1}\n\xff\xfe\n{"update": 3}\n')
    assert read_metrics(path) == [{"update": 1}]


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
