"""Options out of a class with fields: their names, help, defaults and checks come from one place.

tyro reads the class, prints the help, and refuses what it does not know with the nearest name.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro
from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo

from ostinato.cli.numbers import numbers_in_words
from ostinato.cli.processes import is_first_process
from ostinato.errors import SettingsError
from ostinato.tasks.settings import TrainingSettings
from ostinato.tasks.toml import read_toml

_CONFIG = "--config"

Options = TypeVar("Options", bound=BaseModel)


RunFolder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
NamedAgain = Annotated[
    str | None, Field(description="FILE.py:Class once more, for a run with a cell of your own.")
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    Field(description="Where to compute. auto: the GPU if there is one."),
]


def parse(
    kind: type[Options],
    arguments: Sequence[str],
    *,
    command: str,
    description: str,
    default: Options | None = None,
) -> Options:
    """The options of `command`, out of what the person typed after it.

    Args:
        kind: A class with a field for each option.
        arguments: As typed.
        command: The words of the command, for its help.
        description: The first lines of its help.
        default: Values that options override. None: the fields' own.

    Raises:
        SystemExit: After the help (0), or after a message about an option (2).
    """
    # tyro begins its messages with the name of the class, so that must be a word for people.
    named = create_model("options", __base__=kind)
    with numbers_in_words():
        return tyro.cli(
            named,
            args=gather_repeated(kind, arguments),
            prog=f"ostinato {command}",
            description=description,
            default=(
                tyro.MISSING_NONPROP if default is None else named.model_construct(**dict(default))
            ),
            console_outputs=is_first_process(),
        )


def defaults_from_config(
    kind: type[TrainingSettings], settings_class: type[TrainingSettings], arguments: Sequence[str]
) -> Any:
    """`kind` filled from the TOML file that `--config` names; None where it names none.

    Args:
        kind: The settings with the command line's own options.
        settings_class: The settings that a file may name.
        arguments: As typed.

    Raises:
        SettingsError: A file that cannot be read or names what is not known.
    """
    paths = _values_of(_CONFIG, arguments)
    if not paths:
        return None
    if len(paths) > 1:
        raise SettingsError(
            f"{_CONFIG} was given {len(paths)} times ({', '.join(paths)}): give one file, and what "
            "differs from it as options"
        )
    values = read_toml(Path(paths[0]), settings_class)
    # The two say the same thing, and what is typed holds against the file.
    for typed, other in (("--updates", "epochs"), ("--epochs", "updates")):
        if _values_of(typed, arguments):
            values.pop(other, None)
    missing = {
        name: tyro.MISSING
        for name, field in settings_class.model_fields.items()
        if field.is_required() and name not in values
    }
    return kind.model_construct(**values, **missing)


def gather_repeated(kind: type[BaseModel], arguments: Sequence[str]) -> list[str]:
    """`--data a --data b` as `--data a b`, for every option that takes several values.

    Without this the last would quietly replace those before it.
    """
    several = {
        f"--{name.replace('_', '-')}"
        for name, field in kind.model_fields.items()
        if _takes_several(field)
    }
    kept: list[str] = []
    gathered: dict[str, list[str]] = {}
    target = kept
    for argument in arguments:
        option, equals, value = argument.partition("=")
        option = option.replace("_", "-") if option.startswith("--") else option
        if option in several:
            target = gathered.setdefault(option, [])
            target += [value] if equals else []
        elif argument.startswith("-") and argument != "-":
            target = kept
            kept.append(argument)
        else:
            target.append(argument)
    return kept + [word for option, values in gathered.items() for word in (option, *values)]


def _takes_several(field: FieldInfo) -> bool:
    return getattr(field.annotation, "__origin__", None) is tuple


def _values_of(option: str, arguments: Sequence[str]) -> list[str]:
    """What was typed for `option`, in order; empty where it was not typed."""
    found = []
    for place, argument in enumerate(arguments):
        if argument.startswith(f"{option}="):
            found.append(argument.partition("=")[2])
        elif argument == option:
            if place + 1 == len(arguments):
                raise SettingsError(f"{option} needs a value after it")
            found.append(arguments[place + 1])
    return found
