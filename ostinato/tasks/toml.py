"""Settings as a TOML file, both ways.

A key that is left out has its default. TOML has no None: where None is not the default, the string
"none" says it.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from ostinato.errors import SettingsError
from ostinato.tasks.names import nearest
from ostinato.tasks.settings import TrainingSettings, fault_of_value

NONE = "none"


def read_toml(path: Path, settings_class: type[TrainingSettings]) -> dict[str, Any]:
    """The settings that a file names, by name; those it leaves out are not in the dictionary.

    Raises:
        SettingsError: No such file, no TOML, an unknown key, or a value of the wrong kind; names
            file and line, and for an unknown key the nearest known one.
    """
    text = _text_of(path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
    for key, value in values.items():
        if key not in settings_class.model_fields:
            raise SettingsError(
                f"{path}, line {_line_of(key, text)}: there is no setting {key!r}"
                + nearest(key, list(settings_class.model_fields))
            )
        if value == NONE and _none_is_no_default(settings_class.model_fields[key]):
            values[key] = None
    return {
        key: _checked(
            settings_class.model_fields[key], key, value, f"{path}, line {_line_of(key, text)}"
        )
        for key, value in values.items()
    }


def write_toml(settings: TrainingSettings) -> str:
    """A file's text from which `read_toml` gives the same settings, in the order of the fields."""
    lines = []
    for key, value in settings.model_dump(mode="json").items():
        if value is not None:
            lines.append(f"{key} = {_toml_value(value)}\n")
        elif _none_is_no_default(type(settings).model_fields[key]):
            lines.append(f'{key} = "{NONE}"\n')
    return "".join(lines)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(f"there is no configuration file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None


def _none_is_no_default(field: FieldInfo) -> bool:
    return not field.is_required() and field.default is not None


def _line_of(key: str, text: str) -> int:
    """The first line that assigns `key` or opens a table of that name."""
    pattern = re.compile(rf"""^\s*(\[+\s*)?["']?{re.escape(key)}["']?\s*[=.\]]""")
    for number, line in enumerate(text.splitlines(), start=1):
        if pattern.match(line):
            return number
    return 1


def _checked(field: FieldInfo, key: str, value: object, place: str) -> Any:
    """The value as its field wants it; what fields mean together is checked when all are known."""
    if value is None:
        return None
    kind = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    adapter: TypeAdapter[Any] = TypeAdapter(cast(Any, kind))
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise SettingsError(f"{place}: {fault_of_value(error.errors()[0], key)}") from None


def _toml_value(value: object) -> str:
    """Strings, numbers, truth values and lists of these; JSON writes them as TOML reads them."""
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(entry) for entry in value) + "]"
    if isinstance(value, str):
        # JSON leaves the delete character as it is, which TOML forbids.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)
