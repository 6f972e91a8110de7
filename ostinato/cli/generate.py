"""`ostinato generate`: a run's model writes, to standard output and as it comes."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import tyro
from pydantic import Field

from ostinato.cli.parsing import Device, NamedAgain, RunFolder, parse
from ostinato.errors import DataError, SettingsError
from ostinato.tasks.settings import CheckedModel

if TYPE_CHECKING:
    from ostinato.data.tokenisers import Tokeniser


class GenerateArguments(CheckedModel):
    """A run, what its text begins with, and how the next token is drawn."""

    run: RunFolder = Field(description="Folder of the run.")
    prompt: str | None = Field(
        None,
        description="What the text begins with; - reads it from standard input. None: nothing.",
    )
    length: int = Field(500, ge=1, description="Tokens to write at most.")
    temperature: float | None = Field(
        None, ge=0, description="Above 1 more varied, below 1 more certain. None: 1."
    )
    top_k: int | None = Field(None, ge=1, description="Only the K likeliest tokens. None: all.")
    top_p: float | None = Field(
        None, gt=0, le=1, description="Only the likeliest that together reach this. None: all."
    )
    minimum_p: float | None = Field(
        None, gt=0, le=1, description="Only those this share as likely as the best. None: all."
    )
    repetition_penalty: float | None = Field(
        None, ge=1, description="Above 1: what came already is less likely. None: it is not."
    )
    stop: tuple[str, ...] = Field((), description="Texts that end a sample; left out of it.")
    samples: int = Field(1, ge=1, description="Texts to write, as one batch.")
    seed: int = Field(0, ge=0, description="The same seed draws the same texts.")
    greedy: Annotated[bool, tyro.conf.FlagCreatePairsOff] = Field(
        False, description="Always the likeliest token; nothing is drawn."
    )
    cell: NamedAgain = None
    device: Device = "auto"


def generate(arguments: list[str]) -> None:
    """Print what the model writes on from the prompt."""
    options = parse(
        GenerateArguments, arguments, command="generate", description="Let a run's model write."
    )
    _refuse_what_greedy_ignores(options)
    prompt = _standard_input() if options.prompt == "-" else options.prompt or ""
    from ostinato.decoding import Sampling
    from ostinato.tasks.text import task as text

    run = text.load_run(options.run, cell=options.cell, device=options.device)
    _tell_of_unknown_tokens(prompt, run.tokeniser)
    temperature = 1.0 if options.temperature is None else options.temperature
    pieces = run.stream(
        prompt,
        length=options.length,
        samples=options.samples,
        seed=options.seed,
        sampling=Sampling(
            0.0 if options.greedy else temperature,
            options.top_k,
            options.top_p,
            options.minimum_p,
            options.repetition_penalty,
        ),
        stop=options.stop,
    )
    if options.samples == 1:
        _print_as_it_comes(prompt, pieces)
    else:
        _print_samples(prompt, pieces, options.samples)


def _refuse_what_greedy_ignores(options: GenerateArguments) -> None:
    if not options.greedy:
        return
    for name in ("temperature", "top_k", "top_p", "minimum_p"):
        if getattr(options, name) is not None:
            raise SettingsError(
                f"--{name.replace('_', '-')} says how to draw, but --greedy draws nothing: "
                "give one of them"
            )


def _standard_input() -> str:
    """All of it, without the newline that ends it."""
    if sys.stdin is None:
        raise DataError("--prompt - reads standard input, which is closed")
    try:
        return sys.stdin.buffer.read().decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise DataError(
            f"standard input is not UTF-8 at byte {error.start}: give a prompt that is"
        ) from None


def _tell_of_unknown_tokens(prompt: str, tokeniser: "Tokeniser") -> None:
    """The model never saw them: what it writes on from them is worth little."""
    tokens = tokeniser.encode(prompt)
    unknown = tokens.count(tokeniser.unknown_index) if tokeniser.unknown_index is not None else 0
    if unknown:
        print(
            f"note: {unknown} of the {len(tokens)} {tokeniser.kind} of the prompt are not in the "
            "model's vocabulary; it reads each as unknown",
            file=sys.stderr,
        )


def _print_as_it_comes(prompt: str, pieces: Iterable[list[str]]) -> None:
    print(prompt, end="", flush=True)
    for (piece,) in pieces:
        print(piece, end="", flush=bool(piece))
    print(flush=True)


def _print_samples(prompt: str, pieces: Iterable[list[str]], samples: int) -> None:
    """Each sample in a piece: side by side they could not be read while they come."""
    written = [prompt] * samples
    for step in pieces:
        written = [text + piece for text, piece in zip(written, step, strict=True)]
    for number, text in enumerate(written, start=1):
        print(f"--- sample {number} of {samples}\n{text}")
