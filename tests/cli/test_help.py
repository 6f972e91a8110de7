"""What can be asked without training anything, and without waiting for torch."""

import subprocess
import sys

import pytest

from ostinato.cli.commands import COMMANDS
from ostinato.cli.main import main
from ostinato.tasks.forecasting.settings import ForecastingSettings
from ostinato.tasks.planning.settings import PlanningSettings
from ostinato.tasks.text.settings import TextSettings

TASKS = {"text": TextSettings, "planning": PlanningSettings, "forecasting": ForecastingSettings}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["train", "text", "--help"], ["train", "planning", "--help"], ["--version"]],
)
def test_help_needs_no_torch(arguments: list[str]) -> None:
    program = (
        "import sys; from ostinato.cli.main import main; code = main(sys.argv[1:]); "
        "sys.exit(9 if 'torch' in sys.modules else code)"
    )
    ended = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True)
    assert ended.returncode == 0


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
