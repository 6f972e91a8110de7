"""Tagging: it learns, it resumes bit for bit, and its figures are those counted another way."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tagged_toys import sentences, write

from ostinato.checkpoint import load_checkpoint
from ostinato.data import Sentence, encode_tagged
from ostinato.data.tagging.sentences import TaggedText
from ostinato.errors import CheckpointError, DataError, SettingsError
from ostinato.tasks.run_folder import summarise
from ostinato.tasks.tagging.evaluation import evaluate, score
from ostinato.tasks.tagging.run import TaggingRun
from ostinato.tasks.tagging.settings import TaggingSettings
from ostinato.tasks.tagging.task import load_tagger, resume, train, train_tagging
from ostinato.training import Observer, read_metrics
from ostinato.training.interruption import Interrupted

QUICK = {
    "hidden_size": 12,
    "embedding_size": 8,
    "character_size": 6,
    "spelling_size": 6,
    "batch_size": 16,
    "learning_rate": 2e-2,
    "dropout": 0.1,
    "threads": 1,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TaggingRun:
    folder = tmp_path_factory.mktemp("tagging")
    data = write(folder / "toys.tsv", sentences(400, seed=1))
    return train_tagging(data=data, run=folder / "run", updates=120, **QUICK)


class Notes(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def noted(self, text: str) -> None:
        self.notes.append(text)


def test_unseen_sentences_are_tagged_with_names_never_met(run: TaggingRun, tmp_path: Path) -> None:
    judged = run.evaluate(write(tmp_path / "test.tsv", sentences(200, seed=2)))
    assert judged.figures["span_f1"] > 0.97
    assert judged.figures["accuracy"] > 0.98
    assert run.tag("Ada can see New Lima 77.")[-3:] == [("Lima", "I-LOC"), ("77", "O"), (".", "O")]
    assert run.tag(["Evason", "can", "is", "Oslo"])[1] == ("can", "B-THING")


def test_one_way_cannot_know_what_depends_on_the_next_word(tmp_path: Path) -> None:
    data = write(tmp_path / "toys.tsv", sentences(300, seed=1))
    test = write(tmp_path / "test.tsv", sentences(200, seed=2))
    options = QUICK | {"data": data, "updates": 80, "output": "softmax"}
    both = train_tagging(**options, run=tmp_path / "both").evaluate(test)
    one = train_tagging(**options, run=tmp_path / "one", bidirectional=False).evaluate(test)
    assert both.spans is not None
    assert one.spans is not None
    assert both.spans.of_type["THING"].f1 > 0.95
    assert one.spans.of_type["THING"].f1 < 0.85


def test_a_file_that_is_all_outside_counts_as_the_script_counts_it(
    run: TaggingRun, tmp_path: Path
) -> None:
    figures = run.evaluate(write(tmp_path / "test.tsv", [[("Ada", "O"), ("!", "O")]])).figures
    assert (figures["span_precision"], figures["span_recall"], figures["span_f1"]) == (0, 0, 0)


def test_figures_are_those_of_the_labels_counted_one_by_one(run: TaggingRun) -> None:
    rows = sentences(60, seed=3)
    texts = [Sentence(*zip(*row, strict=True), (1,) * len(row)) for row in rows]
    text = TaggedText(texts, "test")
    judged = evaluate(run.model, encode_tagged(text, run.codec), text)
    alone = [run.tag([token for token, _ in row]) for row in rows]
    right = [
        found == wanted
        for row, told in zip(rows, alone, strict=True)
        for (_, found), (_, wanted) in zip(row, told, strict=True)
    ]
    assert judged.figures["accuracy"] == np.mean(right)
    assert judged.figures["tokens"] == len(right)
    assert [list(labels) for labels in judged.predicted] == [
        [label for _, label in told] for told in alone
    ]


def test_the_loss_of_padded_batches_is_that_of_single_sentences(run: TaggingRun) -> None:
    rows = sentences(20, seed=4)
    texts = [Sentence(*zip(*row, strict=True), (1,) * len(row)) for row in rows]

    def nats(some: list[Sentence]) -> float:
        text = TaggedText(some, "test")
        figures = evaluate(run.model, encode_tagged(text, run.codec), text).figures
        return figures["nats_per_token"] * figures["tokens"]

    assert nats(texts) == pytest.approx(sum(nats([one]) for one in texts), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("training", [False, True])
def test_tagging_computes_no_loss_and_leaves_the_model_in_its_mode(
    run: TaggingRun, monkeypatch: pytest.MonkeyPatch, training: bool
) -> None:
    rows = [[token for token, _ in row] for row in sentences(20, seed=7)]
    expected = [run.tag(row) for row in rows]
    model = run.model.train(training)
    with monkeypatch.context() as during:
        during.setattr(model, "loss", None)
        assert [run.tag(row) for row in rows] == expected
    assert all(part.training == training for part in model.modules())
    model.eval()


def test_labels_that_mark_no_spans_have_no_f1_of_spans() -> None:
    judged = score([("DET", "NOUN"), ("VERB",)], [("DET", "VERB"), ("VERB",)])
    assert judged.figures == {
        "accuracy": 2 / 3,
        "span_f1": None,
        "span_precision": None,
        "span_recall": None,
        "tokens": 3,
    }
    of_labels = {row.name: (row.f1, row.count) for row in judged.per_label()}
    assert of_labels == {"DET": (1.0, 1), "NOUN": (0.0, 1), "VERB": (2 / 3, 1)}


def test_a_loaded_run_tags_as_the_one_that_was_trained(run: TaggingRun) -> None:
    rows = [[token for token, _ in row] for row in sentences(20, seed=6)]
    loaded = load_tagger(run.folder, device="cpu")
    assert [loaded.tag(row) for row in rows] == [run.tag(row) for row in rows]


def test_the_best_validation_is_the_one_that_errs_least_in_spans(run: TaggingRun) -> None:
    found = [
        line["validation"]
        for line in read_metrics(run.folder / "metrics.jsonl")
        if "validation" in line
    ]
    assert summarise(run.folder).best["span_f1"] == max(one["span_f1"] for one in found)
    assert run.evaluate().figures["span_f1"] == pytest.approx(max(o["span_f1"] for o in found))


def test_of_validations_that_err_alike_that_with_the_smaller_loss_is_best(tmp_path: Path) -> None:
    data = write(tmp_path / "toys.tsv", sentences(60, seed=1))
    few = {"data": data, "validation_fraction": 0.1, "updates": 160, "validate_every": 20}
    folder = train_tagging(**QUICK | few, run=tmp_path / "run").folder
    lines = read_metrics(folder / "metrics.jsonl")
    found = [line["validation"] for line in lines if "validation" in line]
    alike = [one["nats_per_unit"] for one in found if one["span_f1"] == 1]
    assert len(alike) > 1
    assert alike[0] > min(alike) == summarise(folder).best["nats_per_unit"]


class Killer(Observer):
    """Ends the training by a signal, as somebody who needs the machine does."""

    def updated(self, update: int, record: dict[str, Any]) -> None:
        if update == 20:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("output", ["crf", "softmax"])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path, output: str) -> None:
    data = write(tmp_path / "toys.tsv", sentences(120, seed=1))
    options = QUICK | {"data": data, "output": output, "updates": 40, "layers": 2}
    whole = train_tagging(**options, run=tmp_path / "whole")
    with pytest.raises(Interrupted):
        train_tagging(**options, run=tmp_path / "stopped", observer=Killer())
    resumed = resume(tmp_path / "stopped")
    assert_same_weights(whole.folder, resumed.folder)


def test_a_run_that_was_killed_outright_ends_as_one_that_was_not(tmp_path: Path) -> None:
    data = write(tmp_path / "toys.tsv", sentences(120, seed=1))
    options = QUICK | {"data": data, "updates": 60, "checkpoint_every": 5}
    whole = train_tagging(**options, run=tmp_path / "whole")
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "ostinato.cli", "train", "tagging", *words]
    killed = tmp_path / "killed"
    process = subprocess.Popen([*command, f"--run={killed}"], stderr=subprocess.DEVNULL)
    wait_for(killed / "checkpoints" / "last")
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = resume(killed)
    assert_same_weights(whole.folder, resumed.folder)


def wait_for(file: Path) -> None:
    end = time.monotonic() + 120
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert file.exists()


def assert_same_weights(one: Path, other: Path) -> None:
    expected, found = weights_of(one), weights_of(other)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    checkpoints = folder / "checkpoints"
    return load_checkpoint(checkpoints / (checkpoints / "last").read_text().strip()).tensors[
        "model"
    ]


def test_a_run_whose_sentences_changed_is_not_gone_on_with(tmp_path: Path) -> None:
    data = write(tmp_path / "toys.tsv", sentences(40, seed=1))
    run = train_tagging(data=data, run=tmp_path / "run", updates=2, **QUICK)
    write(data, sentences(40, seed=2))
    with pytest.raises(CheckpointError, match="is not what it was trained on"):
        resume(run.folder)
    data.unlink()
    with pytest.raises(DataError, match="put it back, or write in"):
        resume(run.folder)


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "gru", "characters": "convolution"},
        {"cell": "rnn", "characters": "ignored", "output": "softmax"},
        {"bidirectional": False, "layers": 2, "dropout": 0.2},
        {"lowercase": False, "digits_alike": False, "minimum_count": 2, "word_dropout": 0.0},
        {"micro_batches": 4, "batch_tokens": 60},
        {"workers": 1, "precision": "bf16"},
    ],
    ids=str,
)
def test_every_kind_of_model_trains_and_tags(tmp_path: Path, options: dict) -> None:
    quick = {name: value for name, value in QUICK.items() if not name.startswith(("char", "spell"))}
    data = write(tmp_path / "toys.tsv", sentences(60, seed=1))
    run = train_tagging(**quick | {"data": data, "run": tmp_path / "r", "updates": 3} | options)
    assert [token for token, _ in run.tag("Ada can see Rome.")] == [
        "Ada",
        "can",
        "see",
        "Rome",
        ".",
    ]
    assert load_tagger(run.folder).tag("Ada can see Rome.") == run.tag("Ada can see Rome.")


def test_slices_of_a_batch_give_the_gradient_of_the_whole(tmp_path: Path) -> None:
    data = write(tmp_path / "toys.tsv", sentences(60, seed=1))
    options = QUICK | {"data": data, "updates": 3, "dropout": 0.0, "word_dropout": 0.0}
    whole = train_tagging(**options, run=tmp_path / "whole")
    sliced = train_tagging(**options, run=tmp_path / "sliced", micro_batches=3)
    expected, found = weights_of(whole.folder), weights_of(sliced.folder)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-4)


def write_vectors(path: Path) -> Path:
    path.write_text("ada 1 0 0\nzoe 0.9 0 0\nrome 0 1 0\nbern 0 0.9 0\nunused 5 5 5\n")
    return path


def test_pretrained_vectors_are_the_words_first_ones(tmp_path: Path) -> None:
    data = write(tmp_path / "toys.tsv", sentences(60, seed=1))
    vectors, notes = write_vectors(tmp_path / "vectors.txt"), Notes()
    settings = QUICK | {"embedding_size": None, "vector_words": 2, "updates": 2}
    settings |= {"embeddings": vectors, "fixed_embeddings": True, "data": data}
    run = train(TaggingSettings(**settings, run=tmp_path / "run"), notes)
    weight = run.model.features.embedding.weight
    rows = run.codec.word_indices(["Ada", "ZOE", "Rome", "Bern", "unused"])
    assert weight[rows[0]].tolist() == [1, 0, 0]
    assert weight[rows[1]].tolist() == pytest.approx([0.9, 0, 0])
    assert rows[4] == 1
    assert load_tagger(run.folder).model.features.embedding.weight.shape == weight.shape
    assert any("has vectors of 2 of the" in note for note in notes.notes)
    assert any("2 more words are taken" in note for note in notes.notes)


def test_a_size_that_is_not_the_vectors_own_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "toys.tsv", sentences(60, seed=1))
    vectors = write_vectors(tmp_path / "vectors.txt")
    with pytest.raises(SettingsError, match=r"embedding_size is 8, but the vectors of .* have 3"):
        train_tagging(data=data, embeddings=vectors, run=tmp_path / "run", **QUICK)


def test_fine_tuning_starts_from_the_other_runs_weights_and_words(
    run: TaggingRun, tmp_path: Path
) -> None:
    data = write(tmp_path / "more.tsv", sentences(50, seed=9))
    options = QUICK | {"learning_rate": 1e-6, "updates": 1, "initial_weights": run.folder}
    tuned = train_tagging(data=data, run=tmp_path / "tuned", **options)
    assert tuned.codec == run.codec
    sentence = "Ada Boson can is New York."
    assert tuned.tag(sentence) == run.tag(sentence)
    with pytest.raises(SettingsError, match="lowercase is True in"):
        train_tagging(data=data, lowercase=False, **options)
    other = write(tmp_path / "other.tsv", [[("Ada", "B-WHO")]] * 20)
    with pytest.raises(DataError, match=r"other.tsv, line 1: the run of .* has no label 'B-WHO'"):
        train_tagging(data=other, run=tmp_path / "x", **options)


def test_labels_that_never_occur_in_training_count_as_wrong_and_are_told(
    run: TaggingRun, tmp_path: Path
) -> None:
    test = write(tmp_path / "test.tsv", [[("Ada", "B-PER"), (".", "O")], [("Rome", "B-CITY")]])
    notes = Notes()
    judged = run.evaluate(test, observer=notes)
    assert judged.figures["tokens"] == 3
    assert judged.figures["accuracy"] <= 2 / 3
    assert judged.spans is not None
    assert judged.spans.of_type["CITY"].recall == 0
    (note,) = [note for note in notes.notes if "never occurs in training" in note]
    assert note.startswith(f"{test}, line 4: the label 'B-CITY'")
    wrong = write(tmp_path / "wrong.tsv", [[("Ada", "NNP"), (".", "PUNCT")]])
    with pytest.raises(DataError, match=r"wrong.tsv, line 1.*is this the right column"):
        run.evaluate(wrong)


def test_validation_without_any_loss_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "toys.tsv", sentences(40, seed=1))
    valid = write(tmp_path / "valid.tsv", [[("Ada", "B-PER"), ("x", "NEW")]])
    with pytest.raises(DataError, match="every sentence to validate on has a label that never"):
        train_tagging(data=data, valid=valid, run=tmp_path / "run", updates=1, **QUICK)


def test_other_formats_are_judged_by_their_own_columns(run: TaggingRun, tmp_path: Path) -> None:
    rows = sentences(5, seed=7)
    lines = [f"{token} x {label}" for row in rows for token, label in row]
    (tmp_path / "test.conll").write_text("\n".join(lines) + "\n")
    (tmp_path / "test.txt").write_text("\n".join(line.replace(" x ", "\t") for line in lines))
    as_columns = run.evaluate(tmp_path / "test.conll").figures
    assert as_columns == run.evaluate(tmp_path / "test.txt").figures


def test_a_run_that_validated_on_nothing_needs_data(tmp_path: Path) -> None:
    data = write(tmp_path / "toys.tsv", sentences(30, seed=1))
    options = QUICK | {"data": data, "run": tmp_path / "run", "updates": 1}
    run = train_tagging(**options, validation_fraction=0.0)
    assert not run.label_figure.exists()
    with pytest.raises(SettingsError, match="was trained without validation: give the data"):
        run.evaluate()


def test_pictures_of_losses_and_labels_lie_in_the_run(run: TaggingRun) -> None:
    pytest.importorskip("matplotlib")
    for picture in (run.figure, run.label_figure):
        assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("sentence", ["", "  ", [], ["a", ""]])
def test_a_sentence_without_tokens_is_refused(run: TaggingRun, sentence: Any) -> None:
    with pytest.raises(DataError, match="a sentence needs tokens"):
        run.tag(sentence)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "data is needed"),
        ({"data": "a", "cell": "gruu"}, "did you mean 'gru'"),
        ({"data": "a", "vector_words": 5}, "vector_words is for pretrained vectors"),
        ({"data": "a", "fixed_embeddings": True}, "fixed_embeddings is for pretrained vectors"),
        (
            {"data": "a", "characters": "ignored", "spelling_size": 9},
            "spelling_size is for a model",
        ),
        ({"data": "a", "valid": "b", "validation_fraction": 0.2}, "give valid or validation_fr"),
        ({"data": "a", "embeddings": "b", "initial_weights": "c"}, "give embeddings or initial"),
        ({"data": "a", "word_dropout": -1.0}, "word_dropout must be greater than or equal to 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        TaggingSettings(**options)


def test_a_run_of_another_task_is_named(run: TaggingRun) -> None:
    from ostinato.tasks.planning.folder import settings_of

    with pytest.raises(CheckpointError, match="holds a run of tagging, not of planning"):
        settings_of(run.folder)
