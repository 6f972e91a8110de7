"""The commands by name, and the page that lists them. Each is imported when it is called."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

from ostinato.errors import SettingsError
from ostinato.tasks.names import nearest


class Command(NamedTuple):
    """One command: its words, what follows them, what it does, and where its function is."""

    words: tuple[str, ...]
    usage: str
    summary: str
    home: str
    function: str

    @property
    def name(self) -> str:
        """The words as a person types them."""
        return " ".join(self.words)

    def load(self) -> Callable[[list[str]], None]:
        """The function that takes the arguments after the words."""
        return getattr(import_module(self.home), self.function)


COMMANDS = (
    Command(
        ("train", "text"),
        "--data PATH [options]",
        "train a language model on your own text",
        "ostinato.cli.train",
        "train_text",
    ),
    Command(
        ("train", "translation"),
        "--source FILE --target FILE [options]",
        "train a translation model on your own pairs",
        "ostinato.cli.translation",
        "train_translation",
    ),
    Command(
        ("train", "planning"),
        "--problem NAME [options]",
        "train a planner: hulls, triangulations, tours",
        "ostinato.cli.planning",
        "train_planning",
    ),
    Command(
        ("train", "tagging"),
        "--data FILE [options]",
        "train a tagger: a label for every token",
        "ostinato.cli.tagging",
        "train_tagging",
    ),
    Command(
        ("train", "forecasting"),
        "--data FILE.csv --horizon N [options]",
        "train a forecaster of the series in a table",
        "ostinato.cli.forecasting",
        "train_forecasting",
    ),
    Command(
        ("train", "classification"),
        "--data FILE|FOLDER [options]",
        "train a classifier: a class for a whole text, series or image",
        "ostinato.cli.classification",
        "train_classification",
    ),
    Command(
        ("resume",),
        "RUN",
        "go on with a run that was stopped",
        "ostinato.cli.train",
        "resume",
    ),
    Command(
        ("evaluate",),
        "RUN [--data PATH]",
        "figures of a run on its own validation data, or on other data",
        "ostinato.cli.evaluate",
        "evaluate",
    ),
    Command(
        ("generate",),
        "RUN [--prompt TEXT]",
        "let a run's model write",
        "ostinato.cli.generate",
        "generate",
    ),
    Command(
        ("translate",),
        "RUN [FILE|-]",
        "let a run's model translate, line by line",
        "ostinato.cli.translation",
        "translate",
    ),
    Command(
        ("chat",),
        "RUN [--temperature T]",
        "talk with a model trained on dialogues",
        "ostinato.cli.chat",
        "chat",
    ),
    Command(
        ("tag",),
        "RUN [FILE|-]",
        "let a run's tagger label every token",
        "ostinato.cli.tagging",
        "tag",
    ),
    Command(
        ("predict",),
        "RUN [FILE|-] [--json]",
        "let a run's classifier tell the class of each sample",
        "ostinato.cli.classification",
        "predict",
    ),
    Command(
        ("plan",),
        "RUN POINTS.csv [--figure OUT.png]",
        "let a run's planner answer to your own points",
        "ostinato.cli.planning",
        "plan",
    ),
    Command(
        ("forecast",),
        "RUN [--data FILE] [--figure OUT.png]",
        "the steps to come, with quantiles",
        "ostinato.cli.forecasting",
        "forecast",
    ),
    Command(
        ("append",),
        "RUN FILE|-",
        "let a run's forecaster read new rows and forecast again",
        "ostinato.cli.forecasting",
        "append",
    ),
    Command(
        ("backtest",),
        "RUN [--windows N] [--json]",
        "a run's forecasts of the test part, beside the baselines",
        "ostinato.cli.forecasting",
        "backtest",
    ),
    Command(
        ("runs",),
        "[FOLDER]",
        "table of the runs in a folder, with their best figure",
        "ostinato.cli.tables",
        "runs",
    ),
    Command(
        ("engines",),
        "[--explain CELL]",
        "what computes a layer on this machine; how a cell runs compiled",
        "ostinato.cli.engines",
        "engines",
    ),
)


def find_command(arguments: Sequence[str]) -> Command:
    """The command that the arguments begin with.

    Raises:
        SettingsError: There is none; names the nearest.
    """
    for command in COMMANDS:
        if tuple(arguments[: len(command.words)]) == command.words:
            return command
    longer = [command for command in COMMANDS if command.words[0] == arguments[0]]
    if longer:
        kinds = [command.words[1] for command in longer]
        given = arguments[1] if len(arguments) > 1 else ""
        wrong = f", not {given!r}" if given and not given.startswith("-") else ""
        raise SettingsError(
            f"ostinato {arguments[0]} needs what to {arguments[0]}: {', '.join(kinds)}{wrong}"
            + nearest(given, kinds)
        )
    words = list(dict.fromkeys(command.words[0] for command in COMMANDS))
    raise SettingsError(
        f"there is no command {arguments[0]!r}; there are {', '.join(words)}"
        + nearest(arguments[0], words)
    )


def overview() -> str:
    """The page of `ostinato --help`."""
    left = [f"{command.name} {command.usage}".rstrip() for command in COMMANDS]
    width = max(map(len, left))
    lines = [
        f"  {call:{width}}  {command.summary}" for call, command in zip(left, COMMANDS, strict=True)
    ]
    return "\n".join(
        [
            "usage: ostinato COMMAND ...",
            "",
            "Recurrent and sequence models on PyTorch, trained on your own data.",
            "",
            *lines,
            "",
            "Each command explains its options with --help; ostinato --version prints the version.",
        ]
    )
