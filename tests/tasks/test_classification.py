"""Classification: it learns, resumes bit for bit, and tells the truth of a sample."""

import os
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ostinato.checkpoint import load_checkpoint
from ostinato.errors import CheckpointError, DataError, SettingsError
from ostinato.tasks.classification.judgement import score
from ostinato.tasks.classification.settings import CELLS, ClassificationSettings
from ostinato.tasks.classification.task import (
    ClassificationRun,
    load_classifier,
    resume,
    train_classification,
)
from ostinato.training import Observer
from ostinato.training.interruption import Interrupted

QUICK = {
    "cell": "gru",
    "hidden_size": 12,
    "embedding_size": 8,
    "batch_size": 16,
    "learning_rate": 1e-2,
    "threads": 1,
    "device": "cpu",
}


def strings(count: int, seed: int) -> list[tuple[str, str]]:
    """Strings of a to d; their class is whether one of them is an a with a b behind it."""
    chance = random.Random(seed)
    texts = ["".join(chance.choices("abcd", k=chance.randint(2, 9))) for _ in range(count)]
    return [(text, "with" if "ab" in text else "without") for text in texts]


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.write_text("".join(f"{text}\t{label}\n" for text, label in [("text", "label"), *rows]))
    return path


def write_series(path: Path, count: int, seed: int) -> Path:
    """Two features of unequal length; the class is which of the two rises."""
    generator = np.random.default_rng(seed)
    lines = ["@classLabel true first second", "@data"]
    for number in range(count):
        length = generator.integers(5, 20)
        values = generator.normal(size=(2, length)) + 50
        values[number % 2] += np.linspace(0, 6, length)
        told = [",".join(f"{value:.4f}" for value in row) for row in values]
        lines.append(":".join([*told, ("first", "second")[number % 2]]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ClassificationRun:
    folder = tmp_path_factory.mktemp("classification")
    data = write(folder / "strings.tsv", strings(1200, seed=1))
    return train_classification(
        data=data, run=folder / "run", updates=400, bidirectional=False, **QUICK
    )


def test_unseen_strings_are_told_apart(run: ClassificationRun, tmp_path: Path) -> None:
    judged = run.evaluate(write(tmp_path / "test.tsv", strings(300, seed=2)))
    assert judged.figures["accuracy"] > 0.95
    assert judged.confusion.total() == judged.figures["samples"] == 300
    assert judged.probabilities.sum(1) == pytest.approx(np.ones(300))


def test_series_of_unequal_length_are_told_apart(tmp_path: Path) -> None:
    data = write_series(tmp_path / "train.ts", 120, seed=1)
    run = train_classification(data=data, run=tmp_path / "run", updates=60, **QUICK)
    judged = run.evaluate(write_series(tmp_path / "test.ts", 80, seed=2))
    assert judged.figures["accuracy"] > 0.9
    values = np.stack([np.linspace(50, 56, 12), np.full(12, 50)], 1)
    assert run.predict([values, values[:, ::-1]])[0].label == "first"
    assert run.predict([values, values[:, ::-1]])[1].label == "second"


def test_many_samples_are_classified_as_each_alone_and_in_their_order(
    run: ClassificationRun,
) -> None:
    texts = [text for text, _ in strings(50, seed=3)]
    together = run.predict(texts)
    alone = [run.predict([text])[0] for text in texts]
    assert [one.label for one in together] == [one.label for one in alone]
    assert [one.probability for one in together] == pytest.approx(
        [one.probability for one in alone], abs=1e-6
    )
    assert together[0].probability == max(together[0].probabilities.values())
    assert run.predict([]) == []


def test_the_class_after_a_step_is_that_of_the_beginning(run: ClassificationRun) -> None:
    (steps,) = run.predict_steps(["abcba"])
    beginnings = run.predict(["abcba"[:end] for end in range(1, 6)])
    assert [one.probability for one in steps] == pytest.approx(
        [one.probability for one in beginnings], abs=1e-6
    )


def test_accuracy_rises_with_what_was_seen(run: ClassificationRun) -> None:
    early = run.evaluate_early()
    shares, accuracies = zip(*early.curve, strict=True)
    assert shares == pytest.approx(np.arange(1, 21) / 20)
    assert accuracies[0] < accuracies[-1] == run.evaluate().figures["accuracy"]
    assert dict(early.curve)[early.needed_share] >= accuracies[-1] - 0.01
    assert run.early_figure.is_file()


def test_a_sample_that_is_still_coming_is_told_as_its_beginnings(run: ClassificationRun) -> None:
    live = run.live()
    for text in ("abcba", "cab"):
        told = [live.feed(letter) for letter in text]
        (steps,) = run.predict_steps([text])
        assert [one.probability for one in told if one] == pytest.approx(
            [one.probability for one in steps], abs=1e-6
        )
        assert live.finish() is None


def test_white_space_before_a_coming_text_is_no_part_of_it(run: ClassificationRun) -> None:
    live = run.live()
    assert live.feed("  ") is None
    told = [live.feed(piece) for piece in (" a", "b c")]
    assert told[-1] is not None
    assert told[-1].probability == pytest.approx(run.predict(["ab c"])[0].probability, abs=1e-6)


def test_folded_steps_that_are_still_coming_are_answered_when_they_are_full(
    tmp_path: Path,
) -> None:
    data = write_series(tmp_path / "train.ts", 40, seed=1)
    options = QUICK | {"updates": 3, "fold": 3, "bidirectional": False, "read_out": "attention"}
    run = train_classification(data=data, run=tmp_path / "run", **options)
    values = np.random.default_rng(0).normal(50, 1, (7, 2)).astype(np.float32)
    live = run.live()
    told = [live.feed(step) for step in values]
    assert [one is None for one in told] == [True, True, False, True, True, False, True]
    last = live.finish()
    assert last is not None
    (steps,) = run.predict_steps([values])
    found = [one.probability for one in (*told, last) if one]
    assert found == pytest.approx([one.probability for one in steps], abs=1e-6)
    with pytest.raises(DataError, match="line 8: a step has 1 numbers, and 2 in training"):
        live.feed(np.zeros(1, np.float32), "line 8")
    with pytest.raises(DataError, match="expected the numbers of a step, got a text"):
        live.feed("a")


def test_a_fixed_order_of_steps_is_kept_with_the_run(tmp_path: Path) -> None:
    data = write_pixels(tmp_path / "small_TRAIN", 30)
    options = QUICK | {"updates": 3, "permutation": 2, "bidirectional": False}
    run = train_classification(data=data, run=tmp_path / "run", **options)
    loaded = load_classifier(run.folder, device="cpu")
    assert loaded.codec.inputs == run.codec.inputs
    values = np.arange(8.0)
    assert loaded.predict([values]) == run.predict([values])
    with pytest.raises(SettingsError, match="a fixed order of its own"):
        run.live()


def write_pixels(path: Path, count: int) -> Path:
    generator = np.random.default_rng(0)
    rows = [f"{number % 2} {' '.join(map(str, generator.random(8)))}" for number in range(count)]
    path.write_text("\n".join(rows))
    return path


def test_a_folder_of_drawings_is_learnt_and_read_again(tmp_path: Path) -> None:
    for number in range(20):
        folder = tmp_path / "letters" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_text(f"START\n0,0\n{number},2\nBREAK\n")
    options = QUICK | {"updates": 2, "format": "strokes"}
    run = train_classification(data=tmp_path / "letters", run=tmp_path / "run", **options)
    assert run.evaluate(tmp_path / "letters").figures["samples"] == 20
    assert len(run.read(tmp_path / "letters" / "a" / "0.txt")) == 1


def test_texts_in_pieces_that_depend_on_the_rest_are_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "strings.tsv", strings(60, seed=1))
    options = QUICK | {"updates": 2, "tokens": "bpe", "bidirectional": False}
    run = train_classification(data=data, run=tmp_path / "run", **options)
    with pytest.raises(SettingsError, match="depend on what follows them"):
        run.live()


def test_a_loaded_run_classifies_as_the_one_that_was_trained(run: ClassificationRun) -> None:
    texts = [text for text, _ in strings(20, seed=4)]
    assert load_classifier(run.folder, device="cpu").predict(texts) == run.predict(texts)


class Killer(Observer):
    """Ends the training by a signal, as somebody who needs the machine does."""

    def updated(self, update: int, record: dict[str, Any]) -> None:
        if update == 30:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("kind", ["texts", "series"])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path, kind: str) -> None:
    files = {
        "texts": write(tmp_path / "strings.tsv", strings(200, seed=1)),
        "series": write_series(tmp_path / "series.ts", 100, seed=1),
    }
    options = QUICK | {"data": files[kind], "updates": 60, "dropout": 0.3, "read_out": "attention"}
    whole = train_classification(**options, run=tmp_path / "whole")
    with pytest.raises(Interrupted):
        train_classification(**options, run=tmp_path / "stopped", observer=Killer())
    resumed = resume(tmp_path / "stopped")
    expected, found = (weights_of(run.folder) for run in (whole, resumed))
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    checkpoints = folder / "checkpoints"
    last = (checkpoints / "last").read_text().strip()
    return load_checkpoint(checkpoints / last).tensors["model"]


def test_a_run_whose_samples_changed_is_not_gone_on_with(tmp_path: Path) -> None:
    data = write(tmp_path / "strings.tsv", strings(60, seed=1))
    run = train_classification(data=data, run=tmp_path / "run", updates=2, **QUICK)
    write(data, strings(60, seed=2))
    with pytest.raises(CheckpointError, match="is not what it was trained on"):
        resume(run.folder)
    data.unlink()
    with pytest.raises(DataError, match="put it back, or write in"):
        resume(run.folder)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("read_out", ["last", "mean"])
def test_every_cell_trains_both_ways_and_comes_back(
    tmp_path: Path, cell: str, read_out: str
) -> None:
    data = write(tmp_path / "strings.tsv", strings(60, seed=1))
    options = QUICK | {"cell": cell, "read_out": read_out, "layers": 2, "updates": 2}
    run = train_classification(data=data, run=tmp_path / "run", **options)
    assert load_classifier(run.folder, device="cpu").predict(["abca"]) == run.predict(["abca"])


@pytest.mark.parametrize(
    "options",
    [
        {"class_weights": "balanced", "label_smoothing": 0.1, "best_by": "macro_f1"},
        {"tokens": "bytes", "best_by": "loss"},
        {"token_dropout": 0.3, "lowercase": True, "part_marks": True, "tokens": "words"},
        {"cell": "lstm", "layer_norm": True, "forget_bias": 1.0, "recurrent_dropout": 0.2},
        {"validation_fraction": 0.0, "micro_batches": 2},
    ],
    ids=str,
)
def test_every_option_trains_and_comes_back(tmp_path: Path, options: dict) -> None:
    data = write(tmp_path / "strings.tsv", strings(60, seed=1))
    run = train_classification(data=data, run=tmp_path / "run", **QUICK | {"updates": 3} | options)
    assert load_classifier(run.folder, device="cpu").predict(["ab"]) == run.predict(["ab"])


def test_fine_tuning_starts_from_the_other_runs_weights_and_classes(
    run: ClassificationRun, tmp_path: Path
) -> None:
    data = write(tmp_path / "more.tsv", strings(50, seed=9))
    settings = QUICK | {"learning_rate": 1e-6, "initial_weights": run.folder, "updates": 1}
    tuned = train_classification(data=data, run=tmp_path / "tuned", bidirectional=False, **settings)
    texts = [text for text, _ in strings(30, seed=5)]
    assert [one.label for one in tuned.predict(texts)] == [one.label for one in run.predict(texts)]


def test_figures_are_those_of_their_definitions() -> None:
    true = np.array([0, 0, 0, 1, 2])
    probabilities = np.eye(4)[[0, 0, 1, 1, 0]] * 0.6 + 0.1
    figures = score(true, probabilities)
    assert figures["accuracy"] == pytest.approx(3 / 5)
    assert figures["balanced_accuracy"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert figures["nats_per_sample"] == pytest.approx(-(3 * np.log(0.7) + 2 * np.log(0.1)) / 5)
    assert figures["calibration_error"] == pytest.approx(0.7 - 0.6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "gruu"}, "did you mean 'gru'"),
        ({"valid": "b.tsv", "validation_fraction": 0.2}, "give valid or validation_fraction"),
        ({"time": "t"}, "time is for tables with a time step a row"),
        ({"cell": "sru", "layer_norm": True}, "layer_norm is for lstm, gru, rnn, not for sru"),
        ({"cell": "gru", "forget_bias": 1.0}, "forget_bias is for the cell lstm"),
        ({"cell": "min-gru", "recurrent_dropout": 0.1}, "and min-gru has none"),
        ({"patch_size": 7}, "patch_size is for image_steps patches"),
        ({"threshold": 0.3}, "threshold is for samples with several labels"),
        ({"separator": "|", "best_by": "accuracy"}, "accuracy is for samples with one class"),
        ({"best_by": "micro_f1"}, "micro_f1 is for samples with several labels"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ClassificationSettings(data=Path("a.tsv"), **options)


def test_image_files_are_told_apart(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    for label, light in (("dark", 0), ("light", 100)):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(12):
            pixels = noise.integers(light, light + 100, (6, 9), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / label / f"{number}.png")
    options = {"image_size": 8, "image_steps": "patches", "patch_size": 2}
    run = train_classification(
        data=tmp_path / "images", run=tmp_path / "run", **QUICK | {"updates": 30} | options
    )
    again = load_classifier(tmp_path / "run")
    assert again.evaluate(tmp_path / "images").figures["accuracy"] == 1.0
    one = again.read(tmp_path / "images" / "light" / "3.png")
    assert run.predict(one)[0].label == "light"
    with pytest.raises(DataError, match="images do not come from standard input"):
        again.read(Path("-"))


def test_options_of_other_inputs_are_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "strings.tsv", strings(20, seed=1))
    with pytest.raises(SettingsError, match="fold is for series of numbers"):
        train_classification(data=data, run=tmp_path / "run", fold=2, **QUICK)
    with pytest.raises(SettingsError, match=r"image_steps is for images, .* as documents"):
        train_classification(data=data, run=tmp_path / "run", image_steps="pixels", **QUICK)
    with pytest.raises(SettingsError, match=r"colour is for images, .* as documents"):
        train_classification(data=data, run=tmp_path / "run", colour=True, **QUICK)
    data = write_series(tmp_path / "series.ts", 20, seed=1)
    with pytest.raises(SettingsError, match="tokens is for texts"):
        train_classification(data=data, run=tmp_path / "run", tokens="words", **QUICK)
