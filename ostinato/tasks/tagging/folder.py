"""What the folder of a tagging run says: its settings, and a page for a person."""

import json
from pathlib import Path

from ostinato.checkpoint import write_text
from ostinato.errors import CheckpointError
from ostinato.tasks.run_folder import CONFIG, RECORD, read_record
from ostinato.tasks.tagging.corpus import CODEC, TaggingCorpus
from ostinato.tasks.tagging.settings import TaggingSettings
from ostinato.tasks.toml import read_toml, write_toml

_PATHS = ("data", "valid", "embeddings", "initial_weights")


def settings_of(folder: Path) -> TaggingSettings:
    """The settings of the run in `folder`.

    Raises:
        CheckpointError: there is no run of tagging.
    """
    task = read_record(folder)["task"]
    if task != "tagging":
        raise CheckpointError(
            f"{folder} holds a run of {task}, not of tagging; `ostinato train tagging` makes one"
        )
    return TaggingSettings(**read_toml(folder / CONFIG, TaggingSettings))


def describe(
    folder: Path, settings: TaggingSettings, corpus: TaggingCorpus, embedding_size: int
) -> None:
    """Write what the run is: settings, vocabulary, fingerprint, and a page for a person."""
    paths = {name: getattr(settings, name) for name in _PATHS}
    fixed = settings.model_copy(
        update={
            "run": folder.absolute(),
            "embedding_size": embedding_size,
            **{n: None if p is None else p.expanduser().absolute() for n, p in paths.items()},
        }
    )
    record = {
        "task": "tagging",
        "cell": settings.cell,
        "fingerprint": corpus.fingerprint,
        "sources": [],
    }
    corpus.codec.save(folder / CODEC)
    write_text(folder / RECORD, json.dumps(record, indent=1))
    write_text(folder / "README.md", _page(folder, settings, corpus))
    write_text(folder / CONFIG, write_toml(fixed))


def _page(folder: Path, settings: TaggingSettings, corpus: TaggingCorpus) -> str:
    layers = f"{settings.layers} layer" + "s" * (settings.layers > 1)
    ways = "both ways" if settings.bidirectional else "forward"
    codec, held = corpus.codec, corpus.validation
    known = f"{len(codec.labels)} labels, {len(codec.words):,} words"
    return f"""# {folder.name}

A tagger, trained on {corpus.train.name}.

- model: {settings.cell} {ways}, {layers} of {settings.hidden_size} units, {settings.output}
- knows: {known}, {len(codec.characters)} characters
- sentences to train on: {len(corpus.train):,}, to validate on: {len(held[0]) if held else 0:,}

    ostinato tag {folder} FILE               a label for every token
    ostinato evaluate {folder} --data FILE   accuracy and span F1
    ostinato resume {folder}                 go on, if it was stopped

All settings are in config.toml, the figures in metrics.jsonl, the pictures in figures/.
"""
