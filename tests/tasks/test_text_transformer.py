"""The text task with a Transformer: the same figures, files and words as with a recurrent net."""

import math
from pathlib import Path

import pytest
import torch

from ostinato.decoding import Sampling
from ostinato.errors import SettingsError
from ostinato.tasks.run_folder import summarise
from ostinato.tasks.text.run import Run
from ostinato.tasks.text.settings import TextSettings
from ostinato.tasks.text.task import evaluate, load_run, resume, train_text
from ostinato.tasks.toml import read_toml, write_toml

TRANSFORMER = {"model": "transformer", "hidden_size": 16, "heads": 2, "layers": 2}


@pytest.fixture(scope="module")
def trained(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two blocks, 150 updates: some seconds."""
    folder = tmp_path_factory.mktemp("transformer")
    return train_text(
        str(text),
        run=folder / "run",
        model="transformer",
        hidden_size=32,
        heads=4,
        layers=2,
        window=24,
        batch_size=8,
        updates=150,
        learning_rate=5e-3,
        validate_every=50,
        cache_dir=folder / "cache",
        threads=1,
        validation_fraction=0.05,
    )


def test_it_learns_more_than_how_frequent_each_character_is(trained: Run) -> None:
    part = trained._part(None, "train")
    tokens = torch.from_numpy(part.gather(torch.arange(1, part.targets).numpy()))
    shares = tokens.bincount().double() / len(tokens)
    entropy = -float((shares * shares.clamp(min=1e-9).log()).sum())
    assert trained.evaluate()["nats_per_token"] < entropy - 0.3


def test_figures_do_not_depend_on_batch_or_window(trained: Run) -> None:
    part = trained._part(None, "validation")
    expected = evaluate(trained.model, part, batch_size=1, window=100_000)["nats_per_token"]
    for batch_size, window in ((1, 7), (3, 24), (3, 64)):
        figures = evaluate(trained.model, part, batch_size=batch_size, window=window)
        assert figures["nats_per_token"] == pytest.approx(expected, rel=1e-5)


def test_figures_are_those_of_the_chain_rule_beyond_the_context(
    trained: Run, tmp_path: Path
) -> None:
    line = "a short sentence that is longer than the context by far, so that it begins anew"
    (tmp_path / "line.txt").write_text(line)
    state, token, nats = trained.model.initial_state(1), trained.tokeniser.end_index, 0.0
    with torch.no_grad():
        for index in trained.tokeniser.encode(line):
            scores, state = trained.model.step(torch.tensor([token]), state)
            nats, token = nats - scores[0, index].item(), index
    figures = trained.evaluate(str(tmp_path / "line.txt"))
    assert figures["nats_per_token"] == pytest.approx(nats / len(line), rel=1e-5)


def test_writing_goes_on_beyond_the_context_as_the_whole_text_would(trained: Run) -> None:
    greedy = Sampling(temperature=0)
    written = trained.generate("The ", length=60, sampling=greedy)
    tokens = [trained.tokeniser.end_index, *trained.tokeniser.encode("The " + written)]
    with torch.no_grad():
        features, _ = trained.model(torch.tensor([tokens[:-1]]))
        best = trained.model.log_probabilities(features)[0, 4:]
    best[:, [trained.tokeniser.end_index, trained.tokeniser.unknown_index or 0]] = -math.inf
    assert trained.tokeniser.decode(best.argmax(-1).tolist()) == written


def test_samples_side_by_side_are_drawn_each_by_itself(trained: Run) -> None:
    greedy = Sampling(temperature=0)
    together = list(trained.stream("The ", length=40, samples=3, sampling=greedy))
    alone = trained.generate("The ", length=40, sampling=greedy)
    assert ["".join(pieces) for pieces in zip(*together, strict=True)] == [alone] * 3


def test_a_loaded_run_is_the_trained_one(trained: Run) -> None:
    loaded = load_run(trained.folder)
    assert loaded.generate(length=30, seed=4) == trained.generate(length=30, seed=4)
    assert summarise(trained.folder).cell == "transformer"
    with pytest.raises(SettingsError, match="holds a transformer, which has no cell"):
        load_run(trained.folder, cell="gru")


@pytest.mark.parametrize(
    "options",
    [
        {"positions": "learned", "norm": "post", "activation": "gelu", "tied": True},
        {"document": "line", "feed_forward_size": 20, "adaptive_cutoffs": (20, 40)},
        {"context": 40, "document": "line", "micro_batches": 2},
        {"context": 40, "update_every": 16, "precision": "bf16"},
        {"precision": "bf16", "micro_batches": 2, "dropout": 0.1, "embedding_dropout": 0.1},
        {"tokens": "words", "optimiser": "asgd", "schedule": "plateau", "learning_rate": 0.1},
    ],
)
def test_options_train_together(text: Path, quick: dict, tmp_path: Path, options: dict) -> None:
    settings = quick | TRANSFORMER | {"updates": 6} | options
    run = train_text(str(text), run=tmp_path / "run", **settings)
    assert math.isfinite(run.evaluate()["nats_per_token"])


@pytest.mark.parametrize(
    "options",
    [{}, {"update_every": 16, "document": "line"}, {"context": 40}],
    ids=["whole windows", "overlapping windows of lines", "a carried cache"],
)
def test_a_run_cut_in_two_ends_bit_identical(
    text: Path, quick: dict, tmp_path: Path, options: dict
) -> None:
    settings = quick | TRANSFORMER | {"dropout": 0.2, "output_dropout": 0.1} | options
    whole = train_text(str(text), run=tmp_path / "whole", **settings)
    train_text(str(text), run=tmp_path / "cut", **(settings | {"updates": 17}))
    config = tmp_path / "cut" / "config.toml"
    config.write_text(config.read_text().replace("updates = 17", "updates = 30"))
    resumed = resume(tmp_path / "cut")
    assert last_loss(resumed) == last_loss(whole)
    expected = whole.model.state_dict()
    assert all(torch.equal(value, expected[n]) for n, value in resumed.model.state_dict().items())


def last_loss(run: Run) -> str:
    return (run.folder / "metrics.jsonl").read_text().splitlines()[-1]


def test_fine_tuning_with_other_heads_is_refused(trained: Run, text: Path, quick: dict) -> None:
    settings = quick | TRANSFORMER | {"hidden_size": 32, "heads": 8, "window": 24}
    with pytest.raises(SettingsError, match="heads is 4 there and 8 here"):
        train_text(
            str(text),
            run=quick["cache_dir"] / "run",
            initial_weights=trained.folder,
            **settings,
        )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"heads": 3}, "3 heads do not divide 16"),
        ({"hidden_size": 12, "heads": None}, "8 heads do not divide 12"),
        ({"cell": "gru"}, "cell is for recurrent nets, and a transformer is none"),
        ({"zoneout": 0.1}, "zoneout is for recurrent nets"),
        ({"layer_norm": True}, "layer_norm is for recurrent nets"),
        ({"projection_size": 8}, "projection_size is for recurrent nets"),
        ({"locked_dropout": True}, "locked_dropout is for recurrent nets"),
        ({"activation": "tanh"}, "activation of a transformer must be relu or gelu, got 'tanh'"),
        ({"embedding_size": 8}, "embedding_size must be hidden_size"),
        ({"context": 100}, r"context must be at least window \(128\), got 100"),
        ({"window": 1}, "at least 2 tokens"),
        ({"hidden_size": 15, "heads": 3}, "sinusoidal positions need an even hidden_size"),
        ({"model": "recurrent"}, "heads is for --model transformer, not for recurrent"),
        ({"model": "recurrent", "heads": None, "context": 9}, "context is for --model transformer"),
        ({"model": "recurrent", "heads": None, "activation": "gelu"}, "activation gelu is for"),
        ({"model": "transfomer"}, "model must be 'recurrent' or 'transformer', got 'transfomer'"),
    ],
)
def test_what_does_not_go_together_is_said(values: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        TextSettings(data="text.txt", **(TRANSFORMER | values))


def test_settings_go_through_a_file(tmp_path: Path) -> None:
    settings = TextSettings(data="text.txt", context=256, positions="learned", **TRANSFORMER)
    (tmp_path / "config.toml").write_text(write_toml(settings))
    assert TextSettings(**read_toml(tmp_path / "config.toml", TextSettings)) == settings
