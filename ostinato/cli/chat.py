"""`ostinato chat`: a dialogue with a run's model, a line at a time."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from pydantic import Field

from ostinato.cli.parsing import Device, NamedAgain, RunFolder, parse
from ostinato.errors import DataError, SettingsError
from ostinato.tasks.names import nearest
from ostinato.tasks.settings import CheckedModel

if TYPE_CHECKING:
    from ostinato.decoding import Beam, Draw
    from ostinato.tasks.translation.conversation import Conversation

_BEAM_SIZE = 5
_LENGTH_PENALTY = 1.0
_OF_SEARCH = ("beam_size", "length_penalty", "unrepeated")
_OF_DRAWING = ("top_k", "top_p", "minimum_p")
_RESET, _QUIT = "/reset", "/quit"
_PROMPT = "> "


class ChatArguments(CheckedModel):
    """A run, and how it answers."""

    run: RunFolder = Field(description="Folder of the run, of translation, best of dialogues.")
    beam_size: int | None = Field(
        None, ge=1, description="Unfinished answers kept at each step; 1 is greedy. None: 5."
    )
    length_penalty: float | None = Field(
        None,
        ge=0,
        description="Favours longer answers (Wu 2016); 0: by probability alone. None: 1.",
    )
    unrepeated: int | None = Field(
        None, ge=1, description="No sequence of this many tokens twice. None: any may come again."
    )
    temperature: float | None = Field(
        None,
        ge=0,
        description="Draw the answer: above 1 more varied, below 1 more certain. None: the best "
        "answer found.",
    )
    top_k: int | None = Field(
        None, ge=1, description="Draw from the K likeliest tokens only. None: from all."
    )
    top_p: float | None = Field(
        None, gt=0, le=1, description="Draw from the likeliest that together reach this. None: all."
    )
    minimum_p: float | None = Field(
        None, gt=0, le=1, description="Draw from those this share as likely as the best. None: all."
    )
    seed: int = Field(
        0, ge=0, description="The same seed draws the same answers to the same turns."
    )
    cell: NamedAgain = None
    device: Device = "auto"


def chat(arguments: list[str]) -> None:
    """Answer each line of the terminal, or of standard input."""
    options = parse(
        ChatArguments,
        arguments,
        command="chat",
        description="Talk with a run's model, a line at a time. /reset begins a new dialogue, "
        "/quit or the end of the input ends.",
    )
    _refuse_two_ways(options)
    from ostinato.tasks.translation import task as translation

    run = translation.load_translator(options.run, cell=options.cell, device=options.device)
    beam, draw = _how(options, str(next(run.model.parameters()).device))
    remembered = run.settings.history or 0
    with suppress(KeyboardInterrupt):
        if _at_a_terminal():
            print(
                f"{options.run} reads {_turns(remembered)} before yours; {_RESET} begins a new "
                f"dialogue, {_QUIT} ends",
                file=sys.stderr,
            )
        _talk(run.conversation(beam=beam, draw=draw))


def _talk(conversation: "Conversation") -> None:
    for line in _lines():
        said = line.strip()
        if said == _QUIT:
            return
        if said == _RESET:
            conversation.begin_anew()
        elif said.startswith("/"):
            known = (_RESET, _QUIT)
            _tell(
                f"there is no {said.split()[0]}; there are {', '.join(known)}{nearest(said, known)}"
            )
        elif said:
            _answer(conversation, said)


def _answer(conversation: "Conversation", said: str) -> None:
    try:
        print(conversation.say(said), flush=True)
    except DataError as error:
        _tell(str(error))


def _lines() -> Iterator[str]:
    """What is typed, line by line; at a terminal with a prompt and with the keys to edit it."""
    if not _at_a_terminal():
        from ostinato.data.text_lines import lines_of_stdin

        yield from lines_of_stdin()
        return
    with suppress(ImportError):
        import readline  # noqa: F401  # from now on `input` knows the arrow keys
    try:
        while True:
            yield input(_PROMPT)
    except (EOFError, KeyboardInterrupt):
        print()  # the shell's prompt begins its own line


def _at_a_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def _turns(count: int) -> str:
    return {0: "no turn", 1: "1 turn"}.get(count, f"{count} turns")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _refuse_two_ways(options: ChatArguments) -> None:
    """An answer is searched or drawn, and options of the other way would do nothing."""
    searched = [name for name in _OF_SEARCH if getattr(options, name) is not None]
    drawn = [name for name in _OF_DRAWING if getattr(options, name) is not None]
    if options.temperature is None and drawn:
        raise SettingsError(f"{_option(drawn[0])} says how to draw: give --temperature, too")
    if options.temperature is not None and searched:
        raise SettingsError(
            f"{_option(searched[0])} is for the best answer that is found, and --temperature draws "
            "one: give one of them"
        )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _how(options: ChatArguments, device: str) -> tuple["Beam | None", "Draw | None"]:
    import torch

    from ostinato.decoding import Beam, Draw, Sampling

    if options.temperature is None:
        penalty = _LENGTH_PENALTY if options.length_penalty is None else options.length_penalty
        size = options.beam_size or _BEAM_SIZE
        return Beam(size, length_penalty=penalty, unrepeated=options.unrepeated), None
    sampling = Sampling(options.temperature, options.top_k, options.top_p, options.minimum_p)
    return None, Draw(sampling, torch.Generator(device).manual_seed(options.seed))
