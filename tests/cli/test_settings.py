"""Settings refuse what cannot be, and go through a TOML file unchanged."""

from pathlib import Path

import pytest

from ostinato.errors import SettingsError
from ostinato.tasks.text.settings import TextSettings
from ostinato.tasks.toml import read_toml, write_toml


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "data is needed"),
        ({"data": ()}, "data needs at least one file or folder"),
        ({"data": "a", "hiden_size": 3}, "no setting 'hiden_size'; did you mean 'hidden_size'?"),
        ({"data": "a", "hidden_size": 0}, "hidden_size must be greater than 0, got 0"),
        ({"data": "a", "layers": True}, "layers must be a valid integer, got True"),
        ({"data": "a", "dropout": 1.0}, "dropout must be less than 1, got 1.0"),
        ({"data": "a", "dropout": -0.1}, "dropout must be greater than or equal to 0"),
        ({"data": "a", "learning_rate": float("inf")}, "learning_rate must be a finite number"),
        ({"data": "a", "updates": 1, "epochs": 1}, "updates or epochs, not both"),
        ({"data": "a", "precision": "16"}, "precision must be '32' or 'bf16', got '16'"),
        ({"data": "a", "schedule": "step"}, "needs step_size"),
        ({"data": "a", "step_size": 3}, "step_size is for the schedule step, not for constant"),
        ({"data": "a", "decay": 0.1}, "decay is for the schedule step and plateau"),
        ({"data": "a", "momentum": 0.9}, "momentum is for sgd"),
        ({"data": "a", "averaging_patience": 2}, "for the optimiser asgd, not for adamw"),
        ({"data": "a", "micro_batches": 64}, "a batch holds only 32"),
        ({"data": "a", "cell": "lsmt"}, "did you mean 'lstm'?"),
        ({"data": "a", "cell": "gru", "peepholes": True}, "peepholes is for the cell lstm"),
        ({"data": "a", "reset": "before"}, "reset is for the cell gru, not for lstm"),
        ({"data": "a", "cell": "own.py:Mine", "layer_norm": True}, "layer_norm is for the cell"),
        ({"data": "a", "update_every": 200}, "update_every must be at most window (128)"),
        ({"data": "a", "tied": True, "adaptive_cutoffs": (9,)}, "do not go with"),
        ({"data": "a", "tied": True, "embedding_size": 7}, "puts out 512 features"),
        ({"data": "a", "adaptive_cutoffs": (9, 3)}, "must rise"),
        ({"data": "a", "validation_fraction": 0.6, "test_fraction": 0.4}, "nothing to train on"),
    ],
)
def test_settings_that_cannot_be_are_refused(values: dict, message: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        TextSettings(**values)
    assert message in str(refusal.value)


def test_one_message_names_every_fault() -> None:
    with pytest.raises(SettingsError, match=r"(?s)layers must.*seed must"):
        TextSettings(data=("a",), layers=0, seed=-1)


def test_one_path_is_as_good_as_a_list_of_one() -> None:
    assert TextSettings(data=Path("a.txt")).data == ("a.txt",)  # pyright: ignore


def test_windows_update_as_often_as_they_are_long_unless_told() -> None:
    assert TextSettings(data=("a",), window=50).steps_between_updates == 50
    assert TextSettings(data=("a",), window=50, update_every=20).steps_between_updates == 20


@pytest.mark.parametrize(
    "settings",
    [
        TextSettings(data=("a",)),
        TextSettings(data=("a", "b"), run=Path("runs/x"), epochs=2, adaptive_cutoffs=(10, 20)),
        TextSettings(data=('quote " and \\ and \x7f\n',), clip_norm=None, learning_rate=1e-7),
        TextSettings(data=("ärger.txt",), cell="gru", reset="before", layer_norm=True, seed=7),
    ],
    ids=["defaults", "paths", "signs", "words"],
)
def test_settings_come_back_from_toml(settings: TextSettings, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(write_toml(settings), encoding="utf-8")
    assert TextSettings(**read_toml(path, TextSettings)) == settings


def test_toml_leaves_none_out_where_it_is_the_default() -> None:
    text = write_toml(TextSettings(data=("a",), clip_norm=None))
    assert "threads" not in text
    assert 'clip_norm = "none"' in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = 1\nhiden_size = 3\n", "line 2: there is no setting 'hiden_size'; did you mean 'h"),
        ("\n\nhidden_size = 0\n", "line 3: hidden_size must be greater than 0, got 0"),
        ('seed = "1"\n', "line 1: seed must be a valid integer, got '1'"),
        ("data = 3\n", "line 1: data must be"),
        ("data = []\n", "line 1: data needs at least one file or folder"),
        ("[layers]\nx = 1\n", "line 1: layers must be a valid integer"),
        ("seed = [\n", "is not TOML"),
    ],
)
def test_toml_that_cannot_be_is_refused_with_its_line(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as refusal:
        read_toml(path, TextSettings)
    assert str(path) in str(refusal.value)
    assert message in str(refusal.value)


def test_reading_toml_gives_only_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('seed = 3\nrun = "here"\nupdates = 4\n', encoding="utf-8")
    assert read_toml(path, TextSettings) == {"seed": 3, "run": Path("here"), "updates": 4}
