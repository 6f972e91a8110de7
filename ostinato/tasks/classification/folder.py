"""What the folder of a classification run says: its settings, and a page for a person."""

from pathlib import Path

from ostinato.tasks.classification.corpus import ClassificationCorpus
from ostinato.tasks.classification.settings import ClassificationSettings
from ostinato.tasks.own_cell import cell_title
from ostinato.tasks.recorded_run import (
    found_from_anywhere,
    recorded_cell,
    recorded_settings,
    write_run,
)

_PATHS = ("data", "valid", "initial_weights")
_TOLD = 12


def settings_of(folder: Path, cell: str | None = None) -> ClassificationSettings:
    """The settings of the run in `folder`.

    Args:
        folder: the run's folder.
        cell: FILE.py:Class again, for a run with a cell of one's own. None: not named.

    Raises:
        CheckpointError: there is no run of classification.
        SettingsError: a cell of one's own is not named, or its source changed.
    """
    return recorded_settings(folder, "classification", ClassificationSettings, cell)


def describe(folder: Path, settings: ClassificationSettings, corpus: ClassificationCorpus) -> None:
    """Write what the run is: settings, codec, fingerprint, and a page for a person."""
    fixed = settings.model_copy(
        update={
            "text": corpus.columns.text,
            "label": corpus.columns.label,
            **found_from_anywhere(folder, settings, _PATHS),
        }
    )
    record = {
        "task": "classification",
        **recorded_cell(settings.cell),
        "fingerprint": corpus.fingerprint,
        "sources": [],
    }
    corpus.codec.save(folder)
    write_run(folder, fixed, record, _page(folder, settings, corpus))


def _page(folder: Path, settings: ClassificationSettings, corpus: ClassificationCorpus) -> str:
    layers = f"{settings.layers} layer" + "s" * (settings.layers > 1)
    ways = "both ways" if settings.bidirectional else "forward"
    classes, held = corpus.codec.classes, corpus.validation
    told = ", ".join(classes[:_TOLD]) + (", ..." if len(classes) > _TOLD else "")
    return f"""# {folder.name}

A classifier, trained on {corpus.train.name}.

- model: {cell_title(settings.cell)} {ways}, {layers} of {settings.hidden_size} units
- read out by: {settings.read_out}
- classes: {len(classes)}: {told}
- samples to train on: {len(corpus.train):,}, to validate on: {len(held) if held else 0:,}

    ostinato predict {folder} FILE           a class for every sample
    ostinato evaluate {folder} --data FILE   accuracy and F1
    ostinato resume {folder}                 go on, if it was stopped

All settings are in config.toml, the figures in metrics.jsonl, the pictures in figures/.
"""
