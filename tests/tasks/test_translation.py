"""Translation of number words: it learns, it resumes, and what it says of a sentence is true."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from number_words import pairs, write

from ostinato.checkpoint import load_checkpoint
from ostinato.data import Pairs, encode_pairs
from ostinato.decoding import Beam
from ostinato.errors import CheckpointError, DataError, SettingsError
from ostinato.tasks.translation.evaluation import bleu_by_length, evaluate_loss, score
from ostinato.tasks.translation.settings import TranslationSettings
from ostinato.tasks.translation.task import (
    TranslationRun,
    load_translator,
    resume,
    train,
    train_translation,
)
from ostinato.tasks.translation.translating import predict
from ostinato.training import Observer
from ostinato.training.interruption import Interrupted

QUICK = {
    "tokens": "words",
    "minimum_count": 2,
    "cell": "gru",
    "hidden_size": 32,
    "embedding_size": 24,
    "batch_tokens": 160,
    "learning_rate": 1e-2,
    "threads": 1,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TranslationRun:
    folder = tmp_path_factory.mktemp("translation")
    data = write(folder / "numbers.tsv", pairs(1500, seed=1))
    return train_translation(data=data, run=folder / "run", updates=400, **QUICK)


def as_pairs(rows: list[tuple[str, str]]) -> Pairs:
    sources, targets = map(list, zip(*rows, strict=True))
    return Pairs(sources, targets, list(range(1, len(rows) + 1)), "test", blank=0)


def test_unseen_sentences_are_translated_and_unknown_words_taken_over(run: TranslationRun) -> None:
    judged = run.evaluate(as_pairs(pairs(200, seed=2)))
    assert judged.figures["exact_match"] > 0.95
    assert judged.figures["bleu"] > 95
    assert run.translate("zwei KARLHEINZ drei") == ["two KARLHEINZ three"]


def test_unknown_words_are_kept_as_such_where_asked_for(run: TranslationRun) -> None:
    ((best,),) = run.search(["zwei KARLHEINZ drei"], replace_unknown=False)
    assert best.text == "two <unk> three"


def test_many_lines_are_translated_as_each_alone_and_in_their_order(run: TranslationRun) -> None:
    lines = [source for source, _ in pairs(40, seed=3)] + ["", "  eins  "]
    together = run.search(lines, beam=Beam(4, 2, 0.6))
    alone = [run.search([line], beam=Beam(4, 2, 0.6))[0] for line in lines]
    assert [[one.text for one in found] for found in together] == [
        [one.text for one in found] for found in alone
    ]
    scores = [one.score for found in together for one in found]
    assert scores == pytest.approx([one.score for found in alone for one in found], abs=1e-4)
    assert together[-2][0].text == ""
    assert run.translate([]) == []


def test_the_log_probability_is_that_of_a_forced_reading(run: TranslationRun) -> None:
    for source, _ in pairs(10, seed=4):
        ((best,),) = run.search([source], replace_unknown=False)
        pair = as_pairs([(source, best.text or "eins")])
        figures = evaluate_loss(run.model, encode_pairs(pair, run.codec, None))
        forced = -figures["nats_per_token"] * figures["tokens"]
        assert best.log_probability == pytest.approx(forced, abs=1e-4)


def test_each_target_token_and_the_end_have_weights_over_the_source(run: TranslationRun) -> None:
    ((best,),) = run.search(["drei zwei eins"], alignments=True)
    assert best.alignment is not None
    assert best.source == ["drei", "zwei", "eins"]
    assert best.target == ["three", "two", "one", ""]
    assert best.alignment.shape == (4, 3)
    torch.testing.assert_close(best.alignment.sum(1), torch.ones(4))


def test_the_loss_of_padded_batches_is_that_of_single_pairs(run: TranslationRun) -> None:
    rows = pairs(30, seed=5)
    whole = evaluate_loss(run.model, encode_pairs(as_pairs(rows), run.codec, None))
    single = [
        evaluate_loss(run.model, encode_pairs(as_pairs([row]), run.codec, None)) for row in rows
    ]
    nats = sum(one["nats_per_token"] * one["tokens"] for one in single)
    assert whole["tokens"] == sum(one["tokens"] for one in single)
    # Of tokens that are all but certain: small differences of 32-bit numbers that are large.
    assert whole["nats_per_token"] * whole["tokens"] == pytest.approx(nats, rel=1e-4)


def test_a_loaded_run_translates_as_the_one_that_was_trained(run: TranslationRun) -> None:
    lines = [source for source, _ in pairs(20, seed=6)]
    assert load_translator(run.folder, device="cpu").translate(lines) == run.translate(lines)


class Killer(Observer):
    """Ends the training by a signal, as somebody who needs the machine does."""

    def updated(self, update: int, record: dict[str, Any]) -> None:
        if update == 10:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    "chosen",
    [
        {"model": "attention"},
        {"model": "plain"},
        {"hard_attention": True, "scheduled_sampling": 10.0},  # a baseline, a count of updates
        {"model": "transformer", "heads": 4, "cell": "lstm", "embedding_size": 256},
    ],
    ids=["attention", "plain", "hard", "transformer"],
)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    tmp_path: Path, chosen: dict[str, Any]
) -> None:
    data = write(tmp_path / "numbers.tsv", pairs(200, seed=1))
    options = QUICK | {"data": data, "updates": 24, "dropout": 0.2} | chosen
    whole = train_translation(**options, run=tmp_path / "whole")
    with pytest.raises(Interrupted):
        train_translation(**options, run=tmp_path / "stopped", observer=Killer())
    resumed = resume(tmp_path / "stopped")
    expected, found = (load_checkpoint_of(run.folder) for run in (whole, resumed))
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.fixture(scope="module")
def copier(tmp_path_factory: pytest.TempPathFactory) -> TranslationRun:
    folder = tmp_path_factory.mktemp("copying")
    data = write(folder / "numbers.tsv", pairs(1500, seed=1))
    return train_translation(data=data, run=folder / "run", updates=400, copying=True, **QUICK)


@pytest.mark.parametrize("beam_size", [1, 4])
def test_a_copying_model_copies_words_that_it_never_saw(
    copier: TranslationRun, beam_size: int
) -> None:
    rows = [row for row in pairs(200, seed=2) if any(word.isupper() for word in row[0].split())]
    found = copier.search(
        [source for source, _ in rows], beam=Beam(beam_size), replace_unknown=False
    )
    exact = [best.text == target for (best, *_), (_, target) in zip(found, rows, strict=True)]
    assert len(rows) > 60
    assert sum(exact) / len(exact) > 0.9
    ((best, *_),) = copier.search(["zwei KARLHEINZ drei"], replace_unknown=False, alignments=True)
    assert best.text == "two KARLHEINZ three"
    assert best.target == ["two", "KARLHEINZ", "three", ""]


def test_the_log_probability_of_what_is_copied_is_that_of_a_forced_reading(
    copier: TranslationRun,
) -> None:
    for source in ("eins KARLHEINZ", "EVA MAX zwei EVA", "drei"):
        ((best,),) = copier.search([source], replace_unknown=False)
        pair = as_pairs([(source, best.text)])
        figures = evaluate_loss(copier.model, encode_pairs(pair, copier.codec, None))
        forced = -figures["nats_per_token"] * figures["tokens"]
        assert best.log_probability == pytest.approx(forced, abs=1e-4)


def test_a_loaded_copying_run_copies_too(copier: TranslationRun) -> None:
    loaded = load_translator(copier.folder, device="cpu")
    lines = [source for source, _ in pairs(20, seed=6)]
    assert loaded.translate(lines) == copier.translate(lines)


def load_checkpoint_of(folder: Path) -> dict[str, torch.Tensor]:
    checkpoints = folder / "checkpoints"
    return load_checkpoint(checkpoints / (checkpoints / "last").read_text().strip()).tensors[
        "model"
    ]


def test_a_run_whose_pairs_changed_is_not_gone_on_with(tmp_path: Path) -> None:
    data = write(tmp_path / "numbers.tsv", pairs(60, seed=1))
    run = train_translation(data=data, run=tmp_path / "run", updates=2, **QUICK)
    write(data, pairs(60, seed=2))
    with pytest.raises(CheckpointError, match="is not what it was trained on"):
        resume(run.folder)
    data.unlink()
    with pytest.raises(DataError, match="put them back, or write in"):
        resume(run.folder)


def test_one_vocabulary_can_serve_both_sides(tmp_path: Path) -> None:
    data = write(tmp_path / "numbers.tsv", pairs(60, seed=1))
    run = train_translation(data=data, run=tmp_path / "run", updates=2, joint=True, **QUICK)
    assert run.codec.source.tokeniser.serialised() == run.codec.target.tokeniser.serialised()
    assert len(run.translate(["eins zwei"])) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"model": "plain", "reverse_source": True},
        {"decoder": "bahdanau", "score": "additive", "coverage": True},
        {"input_feeding": True, "score": "scaled-dot", "layers": 2, "dropout": 0.1},
        {"attention_window": "predictive", "reach": 2},
        {"hard_attention": True, "attention_window": "monotonic"},
        {"score": "location", "longest": 8, "tied": True},
        {"tokens": "bpe", "vocabulary_size": 280, "minimum_count": 1},
        {"model": "transformer", "joint": True, "tied": True, "norm": "post", "layers": 2},
        {"model": "transformer", "positions": "learned", "longest": 20, "heads": 4},
        {"label_smoothing": 0.1, "scheduled_sampling": 20.0, "cell": "lstm"},
        {"copying": True, "decoder": "bahdanau", "scheduled_sampling": 20.0, "layers": 2},
        {"copying": True, "input_feeding": True, "label_smoothing": 0.1, "micro_batches": 2},
        {"copying": True, "tokens": "characters", "score": "additive", "coverage": True},
        {"copying": True, "tokens": "bpe", "vocabulary_size": 280, "joint": True},
        {"copying": True, "tokens": "bytes", "minimum_count": 1, "hard_attention": True},
    ],
    ids=str,
)
def test_every_kind_of_model_trains_and_translates(tmp_path: Path, options: dict) -> None:
    data = write(tmp_path / "numbers.tsv", pairs(80, seed=1))
    recurrent = {"cell", "embedding_size"} if options.get("model") == "transformer" else set()
    settings = {name: QUICK[name] for name in QUICK if name not in recurrent}
    settings |= {"updates": 3} | options
    run = train_translation(data=data, run=tmp_path / "run", **settings)
    (best,) = run.translate(["eins zwei drei"])
    assert isinstance(best, str)


def test_fine_tuning_starts_from_the_other_runs_weights_and_tokens(
    run: TranslationRun, tmp_path: Path
) -> None:
    data = write(tmp_path / "more.tsv", pairs(50, seed=9))
    tuned = train_translation(
        data=data,
        run=tmp_path / "tuned",
        updates=1,
        initial_weights=run.folder,
        **QUICK | {"learning_rate": 1e-6},
    )
    assert tuned.translate("drei zwei") == ["three two"]


def test_pairs_that_are_left_out_and_padding_are_told(tmp_path: Path) -> None:
    class Notes(Observer):
        def __init__(self) -> None:
            self.notes: list[str] = []

        def noted(self, text: str) -> None:
            self.notes.append(text)

    data = write(tmp_path / "numbers.tsv", [*pairs(60, seed=1), ("eins " * 9, "one " * 9)])
    notes = Notes()
    settings = TranslationSettings(data=data, run=tmp_path / "run", updates=1, longest=6, **QUICK)
    train(settings, notes)
    told = " ".join(notes.notes)
    assert "of a batch is padding" in told
    assert "pairs have a side of more than 6 tokens and are left out" in told


def test_figures_of_what_is_the_reference_itself_are_perfect() -> None:
    lines = ["a dog runs over the green grass .", "two men are talking in the street ."]
    figures = score(lines, lines)
    assert figures["bleu"] == pytest.approx(100)
    assert figures["chrf"] == pytest.approx(100)
    assert (figures["exact_match"], figures["sentences"]) == (1.0, 2)
    assert figures["signature"].startswith("BLEU nrefs:1|case:mixed|eff:no|tok:13a|")
    assert figures.keys() == {"bleu", "chrf", "exact_match", "sentences", "signature"}


def test_bleu_is_told_by_the_words_of_the_source() -> None:
    sources = ["w " * words for words in (3, 10, 11, 55)]
    same = ["one two three four five"] * 4
    told = bleu_by_length(sources, same, same)
    assert [(name, count) for name, count, _ in told] == [
        ("1-10", 2),
        ("11-20", 1),
        ("51 and more", 1),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give source and target, one file of each language, or data"),
        ({"source": "a"}, "target is needed, too"),
        ({"data": "p.tsv", "source": "a", "target": "b"}, "give data, or source and target"),
        ({"data": "p.tsv", "valid_source": "a"}, "valid_target is needed, too"),
        ({"data": "p.tsv", "model": "plain", "score": "dot"}, "score is for the model attention"),
        ({"data": "p.tsv", "model": "transformer", "cell": "gru"}, "cell is for recurrent models"),
        ({"data": "p.tsv", "heads": 2}, "heads is for the model transformer, not for attention"),
        ({"data": "p.tsv", "decoder": "bahdanau", "input_feeding": True}, "input_feeding is for"),
        ({"data": "p.tsv", "reach": 3}, "reach is for an attention_window"),
        ({"data": "p.tsv", "hidden_size": 33}, "hidden_size must be even"),
        (
            {"data": "p.tsv", "model": "plain", "copying": True},
            "copying is for the model attention",
        ),
        ({"data": "p.tsv", "model": "transformer", "copying": True}, "copying is for recurrent"),
        ({"data": "p.tsv", "copying": True}, "copying needs the same pieces on both sides"),
        ({"source": "a", "target": "b", "history": 1}, "history is for data, not for source"),
        ({"source": "a", "target": "b", "source_column": "2"}, "source_column is for data"),
        ({"data": "p.jsonl", "source_column": "a", "history": 1}, "history is for dialogues"),
        ({"data": "p.jsonl", "history": -1}, "history must be greater than or equal to 0"),
        ({"data": "p.tsv", "cell": "gruu"}, "did you mean 'gru'"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        TranslationSettings(**options)


def test_what_only_the_model_knows_is_refused_before_any_pair_is_read(tmp_path: Path) -> None:
    settings = TranslationSettings(data=tmp_path / "none.tsv", coverage=True, score="general")
    with pytest.raises(SettingsError, match="coverage is read by the additive score only"):
        train(settings)


def test_a_run_of_another_task_is_named(run: TranslationRun, tmp_path: Path) -> None:
    from ostinato.tasks.planning.folder import settings_of

    with pytest.raises(CheckpointError, match="holds a run of translation, not of planning"):
        settings_of(run.folder)


def test_predict_reports_how_far_it_is(run: TranslationRun) -> None:
    heard: list[tuple[int, int]] = []
    predict(
        run.model,
        run.codec,
        ["eins"] * 100,
        how=Beam(5),
        progress=lambda done, total: heard.append((done, total)),
    )
    assert heard == [(64, 100), (100, 100)]
