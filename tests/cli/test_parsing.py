"""Options as typed become settings."""

from pathlib import Path

import pytest

from ostinato.cli.parsing import defaults_from_config, gather_repeated, parse
from ostinato.cli.train import TrainTextArguments
from ostinato.errors import SettingsError
from ostinato.tasks.text.settings import TextSettings


def _settings(*arguments: str) -> TextSettings:
    default = defaults_from_config(TrainTextArguments, TextSettings, arguments)
    return parse(
        TrainTextArguments, arguments, command="train text", description="", default=default
    ).settings()


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "mine.toml"
    path.write_text('data = ["a.txt"]\nhidden_size = 7\nlayers = 2\nupdates = 5\n')
    return str(path)


def test_options_alone_give_settings() -> None:
    assert _settings("--data", "a", "b", "--hidden-size", "3", "--tied") == TextSettings(
        data=("a", "b"), hidden_size=3, tied=True
    )


def test_an_option_can_be_switched_off_with_none() -> None:
    assert _settings("--data", "a", "--clip-norm", "None").clip_norm is None


def test_config_gives_defaults(config: str) -> None:
    expected = TextSettings(data=("a.txt",), hidden_size=7, layers=2, updates=5)
    assert _settings("--config", config) == expected
    assert _settings(f"--config={config}") == expected


def test_a_refused_value_is_told_in_the_words_of_the_person(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        _settings("--data", "a", "--window", "10", "--update-every", "20")
    told = " ".join(capsys.readouterr().err.split())
    assert "Error parsing options: update_every must be at most window (10), got 20" in told


@pytest.mark.parametrize(
    ("option", "typed", "message"),
    [
        ("--updates", "ten", "--updates: it must be a valid integer, got 'ten'"),
        ("--hidden-size", "2.5", "--hidden-size: it must be a valid integer, got '2.5'"),
        ("--clip-norm", "loose", "--clip-norm: it must be a valid number, got 'loose'"),
        ("--learning-rate", "small", "--learning-rate: it must be a valid number, got 'small'"),
        ("--adaptive-cutoffs", "9 x", "--adaptive-cutoffs: it must be a valid integer, got 'x'"),
    ],
)
def test_what_is_no_number_is_refused_in_the_words_of_the_settings(
    option: str, typed: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        _settings("--data", "a", option, *typed.split())
    told = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert f"Error parsing {message}" in told
    assert "NoneType" not in told


def test_several_numbers_are_read() -> None:
    assert _settings("--data", "a", "--adaptive-cutoffs", "9", "20").adaptive_cutoffs == (9, 20)


def test_a_second_config_is_refused(config: str) -> None:
    with pytest.raises(SettingsError, match=r"--config was given 2 times \(.*, b.toml\)"):
        _settings("--config", config, "--config=b.toml")


def test_options_override_config(config: str) -> None:
    settings = _settings("--config", config, "--hidden-size", "9", "--data", "b.txt")
    assert (settings.hidden_size, settings.layers, settings.data) == (9, 2, ("b.txt",))


def test_epochs_as_typed_replace_updates_of_config(config: str) -> None:
    settings = _settings("--config", config, "--epochs", "3")
    assert (settings.updates, settings.epochs) == (None, 3)


def test_data_is_needed_where_config_has_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.toml").write_text("seed = 1\n")
    with pytest.raises(SystemExit, match="2"):
        _settings("--config", str(tmp_path / "mine.toml"))
    assert "--data" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "gathered"),
    [
        (["--data", "a", "--data", "b"], ["--data", "a", "b"]),
        (["--data=a", "--seed", "1", "--data", "-"], ["--seed", "1", "--data", "a", "-"]),
        (["--seed", "1", "--seed", "2"], ["--seed", "1", "--seed", "2"]),
        (["--data", "a", "--tied"], ["--tied", "--data", "a"]),
    ],
)
def test_repeated_options_of_several_values_are_gathered(
    typed: list[str], gathered: list[str]
) -> None:
    assert gather_repeated(TextSettings, typed) == gathered
