"""`ostinato` as a person calls it, for the recipes beside this file.

What a command says goes where the recipe's own words go. Where it stops with an error, which it has
told itself, the recipe ends with its exit status.
"""

import json
import subprocess
import sys
from typing import IO, Any

INTERRUPTED = 130


def call_ostinato(
    *words: object, said: str | None = None, stdout: int | IO[str] | None = None
) -> str:
    """Run `ostinato WORDS`; gives what it prints where `stdout` is a pipe.

    Args:
        words: of the command line.
        said: to it, on standard input. None: that of the recipe.
        stdout: as `subprocess.run` takes it.
    """
    command = [sys.executable, "-m", "ostinato.cli", *map(str, words)]
    try:
        done = subprocess.run(command, input=said, stdout=stdout, text=True, check=False)
    except KeyboardInterrupt:  # the command has heard it, too
        sys.exit(INTERRUPTED)
    if done.returncode:
        sys.exit(done.returncode if done.returncode > 0 else 128 - done.returncode)
    return done.stdout or ""


def figures_of(*words: object) -> dict[str, Any]:
    """What `ostinato WORDS --json` tells."""
    return json.loads(call_ostinato(*words, "--json", stdout=subprocess.PIPE))


def as_options(settings: dict[str, object]) -> list[str]:
    """Settings as the command line takes them; True is a switch."""
    return [
        word
        for name, value in settings.items()
        for word in ((f"--{name}",) if value is True else (f"--{name}", str(value)))
    ]
