"""What the folder of a tagging run says: its settings, and a page for a person."""

from pathlib import Path

from ostinato.tasks.own_cell import cell_title
from ostinato.tasks.recorded_run import (
    found_from_anywhere,
    recorded_cell,
    recorded_settings,
    write_run,
)
from ostinato.tasks.tagging.corpus import CODEC, TaggingCorpus
from ostinato.tasks.tagging.settings import TaggingSettings

_PATHS = ("data", "valid", "embeddings", "initial_weights")


def settings_of(folder: Path, cell: str | None = None) -> TaggingSettings:
    """The settings of the run in `folder`.

    Args:
        folder: the run's folder.
        cell: FILE.py:Class again, for a run with a cell of one's own. None: not named.

    Raises:
        CheckpointError: there is no run of tagging.
        SettingsError: a cell of one's own is not named, or its source changed.
    """
    return recorded_settings(folder, "tagging", TaggingSettings, cell)


def describe(
    folder: Path, settings: TaggingSettings, corpus: TaggingCorpus, embedding_size: int
) -> None:
    """Write what the run is: settings, vocabulary, fingerprint, and a page for a person."""
    fixed = settings.model_copy(
        update={
            "embedding_size": embedding_size,
            **found_from_anywhere(folder, settings, _PATHS),
        }
    )
    record = {
        "task": "tagging",
        **recorded_cell(settings.cell),
        "fingerprint": corpus.fingerprint,
        "sources": [],
    }
    corpus.codec.save(folder / CODEC)
    write_run(folder, fixed, record, _page(folder, settings, corpus))


def _page(folder: Path, settings: TaggingSettings, corpus: TaggingCorpus) -> str:
    cell = cell_title(settings.cell)
    layers = f"{settings.layers} layer" + "s" * (settings.layers > 1)
    ways = "both ways" if settings.bidirectional else "forward"
    codec, held = corpus.codec, corpus.validation
    known = f"{len(codec.labels)} labels, {len(codec.words):,} words"
    return f"""# {folder.name}

A tagger, trained on {corpus.train.name}.

- model: {cell} {ways}, {layers} of {settings.hidden_size} units, {settings.output}
- knows: {known}, {len(codec.characters)} characters
- sentences to train on: {len(corpus.train):,}, to validate on: {len(held[0]) if held else 0:,}

    ostinato tag {folder} FILE               a label for every token
    ostinato evaluate {folder} --data FILE   accuracy and span F1
    ostinato resume {folder}                 go on, if it was stopped

All settings are in config.toml, the figures in metrics.jsonl, the pictures in figures/.
"""
