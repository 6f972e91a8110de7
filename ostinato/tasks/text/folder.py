"""What the folder of a text run says: its settings, and a page for a person."""

from collections.abc import Sequence
from pathlib import Path

from ostinato.data import Corpus
from ostinato.data.text_sources import STANDARD_INPUT
from ostinato.errors import SettingsError
from ostinato.tasks.own_cell import absolute_cell
from ostinato.tasks.recorded_run import (
    recorded_cell,
    refuse_other_task,
    with_cell_named,
    write_run,
)
from ostinato.tasks.run_folder import CONFIG
from ostinato.tasks.text.settings import TextSettings
from ostinato.tasks.toml import read_toml


def settings_of(folder: Path, cell: str | None) -> TextSettings:
    """The settings of the run in `folder`.

    Args:
        folder: the run's folder.
        cell: FILE.py:Class again, for a run with a cell of one's own. None: not named.

    Raises:
        CheckpointError: there is no run of text.
        SettingsError: a cell of one's own is not named, or its source changed.
    """
    refuse_other_task(folder, "text")
    values = read_toml(folder / CONFIG, TextSettings)
    if values.get("model") == "transformer" and cell is not None:
        raise SettingsError(f"{folder} holds a transformer, which has no cell: leave out --cell")
    return TextSettings(**with_cell_named(folder, values, cell))


def describe(folder: Path, settings: TextSettings, corpus: Corpus) -> None:
    """Write what the run is: settings, tokeniser, fingerprint, and a page for a person."""
    fixed = _found_from_anywhere(settings).model_copy(update={"run": folder.absolute()})
    record = {
        "task": "text",
        **recorded_cell(settings.network),
        "fingerprint": corpus.fingerprint,
        "sources": corpus.sources,
        "counts_ends": corpus.train.counts_ends,
    }
    corpus.tokeniser.save(folder)
    write_run(folder, fixed, record, _page(folder, settings, corpus))


def _found_from_anywhere(settings: TextSettings) -> TextSettings:
    """The settings with absolute paths, for a run that goes on from another folder."""
    cache, weights = settings.cache_dir, settings.initial_weights
    changes = {
        "cell": absolute_cell(settings.cell),
        "data": _absolute(settings.data),
        "valid": _absolute(settings.valid),
        "test": _absolute(settings.test),
        "cache_dir": None if cache is None else cache.absolute(),
        "initial_weights": None if weights is None else weights.absolute(),
    }
    return settings.model_copy(update=changes)


def _absolute(paths: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        path if path == STANDARD_INPUT else str(Path(path).expanduser().absolute())
        for path in paths
    )


def _page(folder: Path, settings: TextSettings, corpus: Corpus) -> str:
    parts = "\n".join(
        f"- {name}: {part.targets:,} tokens, {part.characters:,} characters"
        for name, part in corpus.parts.items()
    )
    layers = f"{settings.layers} layer" + "s" * (settings.layers > 1)
    return f"""# {folder.name}

A language model of {", ".join(settings.data)}.

- model: {settings.network}, {layers} of {settings.hidden_size} units
- tokens: {settings.tokens}, {corpus.tokeniser.vocabulary_size} different ones
{parts}

    ostinato generate {folder}        let it write
    ostinato evaluate {folder}        its figures
    ostinato resume {folder}          go on, if it was stopped

All settings are in config.toml, the figures in metrics.jsonl, the losses in figures/loss.png.
"""
