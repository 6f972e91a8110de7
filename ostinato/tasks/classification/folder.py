"""What the folder of a classification run says: its settings, and a page for a person."""

import json
from pathlib import Path

from ostinato.checkpoint import write_text
from ostinato.errors import CheckpointError
from ostinato.tasks.classification.corpus import ClassificationCorpus
from ostinato.tasks.classification.settings import ClassificationSettings
from ostinato.tasks.run_folder import CONFIG, RECORD, read_record
from ostinato.tasks.toml import read_toml, write_toml

_PATHS = ("data", "valid", "initial_weights")
_TOLD = 12


def settings_of(folder: Path) -> ClassificationSettings:
    """The settings of the run in `folder`.

    Raises:
        CheckpointError: there is no run of classification.
    """
    task = read_record(folder)["task"]
    if task != "classification":
        raise CheckpointError(
            f"{folder} holds a run of {task}, not of classification; `ostinato train "
            "classification` makes one"
        )
    return ClassificationSettings(**read_toml(folder / CONFIG, ClassificationSettings))


def describe(folder: Path, settings: ClassificationSettings, corpus: ClassificationCorpus) -> None:
    """Write what the run is: settings, codec, fingerprint, and a page for a person."""
    paths = {name: getattr(settings, name) for name in _PATHS}
    fixed = settings.model_copy(
        update={
            "run": folder.absolute(),
            "text": corpus.columns.text,
            "label": corpus.columns.label,
            **{n: None if p is None else p.expanduser().absolute() for n, p in paths.items()},
        }
    )
    record = {
        "task": "classification",
        "cell": settings.cell,
        "fingerprint": corpus.fingerprint,
        "sources": [],
    }
    corpus.codec.save(folder)
    write_text(folder / RECORD, json.dumps(record, indent=1))
    write_text(folder / "README.md", _page(folder, settings, corpus))
    write_text(folder / CONFIG, write_toml(fixed))


def _page(folder: Path, settings: ClassificationSettings, corpus: ClassificationCorpus) -> str:
    layers = f"{settings.layers} layer" + "s" * (settings.layers > 1)
    ways = "both ways" if settings.bidirectional else "forward"
    classes, held = corpus.codec.classes, corpus.validation
    told = ", ".join(classes[:_TOLD]) + (", ..." if len(classes) > _TOLD else "")
    return f"""# {folder.name}

A classifier, trained on {corpus.train.name}.

- model: {settings.cell} {ways}, {layers} of {settings.hidden_size} units
- read out by: {settings.read_out}
- classes: {len(classes)}: {told}
- samples to train on: {len(corpus.train):,}, to validate on: {len(held) if held else 0:,}

    ostinato predict {folder} FILE           a class for every sample
    ostinato evaluate {folder} --data FILE   accuracy and F1
    ostinato resume {folder}                 go on, if it was stopped

All settings are in config.toml, the figures in metrics.jsonl, the pictures in figures/.
"""
