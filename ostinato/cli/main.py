"""The entry point: finds the command, runs it, and turns every end into an exit code.

0    done
1    a failure: training diverged, or something nobody expected
2    a mistake in what was asked for: one message, no traceback
130  Ctrl-C          143  SIGTERM
"""

import os
import sys
import traceback

from ostinato.cli.commands import find_command, overview
from ostinato.cli.processes import is_first_process, rank
from ostinato.cli.termination import ends_on_termination
from ostinato.errors import EngineError, OstinatoError, TrainingError

_A_PERSONS_MISTAKE = (
    OstinatoError,
    FileNotFoundError,
    NotADirectoryError,
    IsADirectoryError,
    PermissionError,
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What follows the word `ostinato`. None: those of this process.

    Returns:
        The exit code. Nothing is raised.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        with ends_on_termination():
            _run(arguments)
        sys.stdout.flush()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 2
    except BaseException as error:
        return _ended_by(error)
    return 0


def _run(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
        return
    if arguments[0] == "--version":
        print(f"ostinato {_version()}")
        return
    command = find_command(arguments)
    command.load()(arguments[len(command.words) :])


def _ended_by(error: BaseException) -> int:
    """The exit code of a command that raised, after telling why."""
    if os.environ.get("OSTINATO_DEBUG") == "1":
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        _tell(str(error) or "stopped")
        return 130
    if isinstance(error, BrokenPipeError):
        # Who read us has gone; without this Python complains when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    exit_code = getattr(error, "exit_code", None)  # of Interrupted, whose home needs torch
    if isinstance(exit_code, int):
        _tell(str(error))
        return exit_code
    if isinstance(error, _A_PERSONS_MISTAKE) and not isinstance(error, TrainingError | EngineError):
        _tell(f"error: {error}")
        return 2
    _tell_failure(error)
    return 1


def _tell(text: str) -> None:
    if is_first_process():
        print(text, file=sys.stderr)


def _tell_failure(error: BaseException) -> None:
    """Any process may fail by itself, so each says so."""
    where = "" if is_first_process() else f"process {rank()}: "
    if isinstance(error, OstinatoError):
        print(f"{where}error: {error}", file=sys.stderr)
        return
    print(
        f"{where}error: {type(error).__name__}: {error}\n"
        "This was not expected. OSTINATO_DEBUG=1 in the environment shows the traceback.",
        file=sys.stderr,
    )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ostinato")
    except PackageNotFoundError:
        return "not installed"
