"""What can be asked without training anything, and without waiting for torch."""

import subprocess
import sys

import pytest

from ostinato.cli.commands import COMMANDS
from ostinato.cli.main import main
from ostinato.tasks.classification.settings import ClassificationSettings
from ostinato.tasks.forecasting.settings import ForecastingSettings
from ostinato.tasks.planning.settings import PlanningSettings
from ostinato.tasks.tagging.settings import TaggingSettings
from ostinato.tasks.text.settings import TextSettings
from ostinato.tasks.translation.settings import TranslationSettings

TASKS = {
    "classification": ClassificationSettings,
    "forecasting": ForecastingSettings,
    "planning": PlanningSettings,
    "tagging": TaggingSettings,
    "text": TextSettings,
    "translation": TranslationSettings,
}


def test_no_help_needs_torch() -> None:
    """One process asks for the help of every command; none of them may import torch."""
    program = """if True:
        import sys
        from ostinato.cli.commands import COMMANDS
        from ostinato.cli.main import main
        asked = [["--help"], ["--version"], *([*each.words, "--help"] for each in COMMANDS)]
        for words in asked:
            assert main(words) == 0
            assert "torch" not in sys.modules, words
    """
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    page = capsys.readouterr().out
    assert [command.name for command in COMMANDS if command.name not in page] == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_explains_itself(command, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.words, "--help"]) == 0
    assert f"usage: ostinato {command.name}" in capsys.readouterr().out


@pytest.mark.parametrize(("task", "settings"), TASKS.items())
def test_help_of_training_names_every_setting(
    task: str, settings: type, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", task, "--help"]) == 0
    page = capsys.readouterr().out
    options = [f"--{name.replace('_', '-')}" for name in (*settings.model_fields, "config")]
    assert [option for option in options if option not in page] == []


@pytest.mark.parametrize("settings", TASKS.values())
def test_every_setting_has_a_description(settings: type) -> None:
    fields = settings.model_fields
    assert [name for name, field in fields.items() if not field.description] == []


def test_engines_lists_the_reference(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines"]) == 0
    assert "reference" in capsys.readouterr().out
