"""The text task from files to figures and back."""

import json
import math
from pathlib import Path

import pytest
import torch

import ostinato
from ostinato.decoding import Sampling
from ostinato.errors import CheckpointError, SettingsError, TrainingError
from ostinato.tasks.run_folder import summarise
from ostinato.tasks.text.task import evaluate, load_run, resume, train_text
from ostinato.training import Observer

OWN_CELL = """
import torch
import ostinato

class Elman(ostinato.Cell):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.weight_ih = self.weight(hidden_size, input_size)
        self.weight_hh = self.weight(hidden_size, hidden_size)

    def project(self, inputs):
        return inputs @ self.weight_ih.T

    def step(self, projected, hidden, state):
        hidden = torch.tanh(projected + hidden @ self.weight_hh.T)
        return hidden, ostinato.HiddenState(hidden)
"""


def weights(run: ostinato.tasks.text.task.Run) -> dict[str, torch.Tensor]:
    return run.model.state_dict()


def test_five_lines_train_write_and_evaluate(text: Path, quick: dict, tmp_path: Path) -> None:
    run = train_text(str(text), run=tmp_path / "run", **quick)
    written = run.generate("The ", length=40)
    figures = run.evaluate()
    assert len(written) == 40
    assert 2.0 < figures["nats_per_token"] < math.log(run.tokeniser.vocabulary_size)
    assert figures["bits_per_token"] == pytest.approx(figures["nats_per_token"] / math.log(2))
    assert figures["perplexity"] == pytest.approx(math.exp(figures["nats_per_token"]))
    assert figures["bits_per_character"] == pytest.approx(figures["bits_per_token"])


def test_the_run_folder_tells_everything(text: Path, quick: dict, tmp_path: Path) -> None:
    run = train_text(str(text), run=tmp_path / "run", **quick)
    names = {path.name for path in run.folder.iterdir()}
    assert {"config.toml", "run.json", "README.md", "tokeniser.json", "metrics.jsonl"} <= names
    assert run.figure.read_bytes().startswith(b"\x89PNG")


def test_a_loaded_run_is_the_trained_one(text: Path, quick: dict, tmp_path: Path) -> None:
    run = train_text(str(text), run=tmp_path / "run", tied=True, **quick)
    loaded = load_run(tmp_path / "run")
    assert all(torch.equal(weights(loaded)[name], value) for name, value in weights(run).items())
    assert loaded.model.output.weight is loaded.model.embedding.weight
    assert loaded.generate(length=30, seed=4) == run.generate(length=30, seed=4)


@pytest.mark.parametrize("document", ["file", "line", "paragraph"])
def test_figures_do_not_depend_on_batch_or_window(
    text: Path, quick: dict, tmp_path: Path, document: str
) -> None:
    run = train_text(str(text), run=tmp_path / "run", document=document, **quick)
    part = run._part(None, "validation")
    expected = evaluate(run.model, part, batch_size=1, window=100_000)["nats_per_token"]
    for batch_size, window in ((1, 7), (3, 64), (50, 1000)):
        figures = evaluate(run.model, part, batch_size=batch_size, window=window)
        assert figures["nats_per_token"] == pytest.approx(expected, rel=1e-5)


def test_figures_are_those_of_the_chain_rule_by_hand(
    text: Path, quick: dict, tmp_path: Path
) -> None:
    run = train_text(str(text), run=tmp_path / "run", **quick)
    line = "a short sentence"
    (tmp_path / "line.txt").write_text(line)
    state, token, nats = run.model.initial_state(1), run.tokeniser.end_index, 0.0
    with torch.no_grad():
        for index in run.tokeniser.encode(line):
            scores, state = run.model.step(torch.tensor([token]), state)
            nats, token = nats - scores[0, index].item(), index
    figures = run.evaluate(str(tmp_path / "line.txt"))
    assert figures["nats_per_token"] == pytest.approx(nats / len(line), rel=1e-5)
    assert figures["tokens"] == len(line)


def test_samples_side_by_side_are_drawn_each_by_itself(
    text: Path, quick: dict, tmp_path: Path
) -> None:
    run = train_text(str(text), run=tmp_path / "run", **quick)
    greedy = Sampling(temperature=0)
    together = list(run.stream("The ", length=20, samples=3, sampling=greedy))
    alone = run.generate("The ", length=20, sampling=greedy)
    assert ["".join(pieces) for pieces in zip(*together, strict=True)] == [alone] * 3


def test_generation_stops_before_a_stop_string(text: Path, quick: dict, tmp_path: Path) -> None:
    run = train_text(str(text), run=tmp_path / "run", **quick)
    whole = run.generate(length=60, seed=2)
    stop = whole[20:23]
    assert run.generate(length=60, seed=2, stop=[stop]) == whole[: whole.index(stop)]


@pytest.mark.parametrize("tokens", ["bytes", "words", "bpe"])
def test_every_kind_of_token_trains_and_writes(
    text: Path, quick: dict, tmp_path: Path, tokens: str
) -> None:
    size = {"bpe": 300}.get(tokens)
    run = train_text(str(text), run=tmp_path / "run", tokens=tokens, vocabulary_size=size, **quick)
    assert run.generate("the", length=10)
    figures = run.evaluate()
    assert figures["bits_per_character"] > 0


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "gru", "reset": "before", "layer_norm": True},
        {"cell": "rnn", "activation": "relu", "zoneout": 0.1, "initialisation": "identity"},
        {"layers": 2, "dropout": 0.2, "locked_dropout": True, "residual": True},
        {"peepholes": True, "projection_size": 6, "forget_bias": 1.0, "weight_drop": 0.2},
        {"learned_initial_state": True, "recurrent_dropout": 0.2, "document": "line"},
        {"adaptive_cutoffs": (20, 40), "embedding_dropout": 0.1, "embedding_size": 7},
        {"optimiser": "asgd", "schedule": "plateau", "learning_rate": 1.0},
        {"precision": "bf16", "micro_batches": 2},
        {"products": "bfloat16", "layers": 2, "recompute": True},
        {"products": "float32", "precision": "bf16", "cell": "feedforward"},
    ],
)
def test_options_train_together(text: Path, quick: dict, tmp_path: Path, options: dict) -> None:
    run = train_text(str(text), run=tmp_path / "run", **(quick | {"updates": 4} | options))
    assert math.isfinite(run.evaluate()["nats_per_token"])


def test_a_run_is_never_overwritten(text: Path, quick: dict, tmp_path: Path) -> None:
    train_text(str(text), run=tmp_path / "run", **(quick | {"updates": 1}))
    with pytest.raises(SettingsError, match=r"holds a run already.*ostinato resume"):
        train_text(str(text), run=tmp_path / "run", **quick)


def test_resuming_with_other_data_is_refused(text: Path, quick: dict, tmp_path: Path) -> None:
    copy = tmp_path / "copy.txt"
    copy.write_text(text.read_text())
    train_text(str(copy), run=tmp_path / "run", **quick)
    copy.write_text(text.read_text() + "x")
    with pytest.raises(CheckpointError, match=r"not what it was trained on.*--initial-weights"):
        resume(tmp_path / "run")


def test_fine_tuning_starts_from_the_weights_and_keeps_the_tokens(
    text: Path, quick: dict, tmp_path: Path
) -> None:
    first = train_text(str(text), run=tmp_path / "first", **quick)
    other = tmp_path / "other.txt"
    other.write_text(text.read_text()[:3000].replace("e", "é"))
    second = train_text(
        str(other),
        run=tmp_path / "second",
        initial_weights=tmp_path / "first",
        **(quick | {"updates": 1, "learning_rate": 1e-9}),
    )
    assert second.tokeniser.serialised() == first.tokeniser.serialised()
    for name, value in weights(first).items():
        torch.testing.assert_close(weights(second)[name], value, rtol=0, atol=1e-6)


def test_fine_tuning_another_size_is_refused(text: Path, quick: dict, tmp_path: Path) -> None:
    train_text(str(text), run=tmp_path / "first", **(quick | {"updates": 1}))
    with pytest.raises(SettingsError, match="not of the same kind and sizes"):
        train_text(
            str(text),
            run=tmp_path / "second",
            initial_weights=tmp_path / "first",
            **(quick | {"hidden_size": 9}),
        )


def test_a_cell_of_ones_own_trains_and_is_loaded_only_when_named(
    text: Path, quick: dict, tmp_path: Path
) -> None:
    source = tmp_path / "mine.py"
    source.write_text(OWN_CELL)
    cell = f"{source}:Elman"
    run = train_text(str(text), run=tmp_path / "run", cell=cell, zoneout=0.1, **quick)
    with pytest.raises(SettingsError, match="run only when you name it"):
        load_run(tmp_path / "run")
    loaded = load_run(tmp_path / "run", cell=cell)
    assert loaded.generate(length=10) == run.generate(length=10)
    source.write_text(OWN_CELL + "# changed")
    with pytest.raises(SettingsError, match="not the source"):
        load_run(tmp_path / "run", cell=cell)


def test_a_folder_that_holds_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no run"):
        load_run(tmp_path)


def test_metrics_are_json_lines(text: Path, quick: dict, tmp_path: Path) -> None:
    run = train_text(str(text), run=tmp_path / "run", **quick)
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["update"] for line in lines] == [10, 15, 20, 30, 30]
    assert lines[-1]["validation"]["tokens"] > 900


def test_text_too_short_for_the_batch_leaves_no_folder(tmp_path: Path, quick: dict) -> None:
    (tmp_path / "short.txt").write_text("ab")
    with pytest.raises(ValueError, match="too few for 4 streams"):
        train_text(str(tmp_path / "short.txt"), run=tmp_path / "run", **quick)
    assert not (tmp_path / "run").exists()


def test_a_run_that_fails_leaves_a_picture_of_how_it_went(
    text: Path, quick: dict, tmp_path: Path
) -> None:
    options = {"optimiser": "sgd", "learning_rate": 1e38, "clip_norm": None, "validate_every": 1}
    with pytest.raises(TrainingError):
        train_text(str(text), run=tmp_path / "run", **(quick | options))
    assert (tmp_path / "run" / "figures" / "loss.png").is_file()


def test_the_run_that_may_be_meant_is_named(
    text: Path, quick: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train_text(str(text), **(quick | {"updates": 1}))
    with pytest.raises(CheckpointError, match=r"did you mean runs/text-lstm-001\?"):
        load_run("text-lstm-001")
    with pytest.raises(CheckpointError, match="there are runs/text-lstm-001"):
        load_run("elsewhere/other")


def test_a_run_that_stopped_early_is_listed_as_such(
    text: Path, quick: dict, tmp_path: Path
) -> None:
    options = {"optimiser": "sgd", "learning_rate": 1e-30, "patience": 1, "validate_every": 1}
    train_text(str(text), run=tmp_path / "run", **(quick | options))
    assert summarise(tmp_path / "run").state == "stopped early"
    assert summarise(tmp_path / "run").updates < quick["updates"]


def test_an_observer_hears_of_the_training(text: Path, quick: dict, tmp_path: Path) -> None:
    heard = []
    observer = Observer()
    observer.updated = lambda update, record: heard.append(update)  # type: ignore[method-assign]
    train_text(str(text), run=tmp_path / "run", observer=observer, **quick)
    assert heard == [10, 20, 30]
