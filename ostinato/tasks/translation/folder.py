"""What the folder of a translation run says: its settings, and a page for a person."""

import json
from pathlib import Path

from ostinato.checkpoint import write_text
from ostinato.errors import CheckpointError
from ostinato.tasks.run_folder import CONFIG, RECORD, read_record
from ostinato.tasks.toml import read_toml, write_toml
from ostinato.tasks.translation.corpus import TranslationCorpus, save_codec
from ostinato.tasks.translation.settings import TranslationSettings

_PATHS = (
    "source",
    "target",
    "data",
    "valid_source",
    "valid_target",
    "valid",
    "initial_weights",
)


def settings_of(folder: Path) -> TranslationSettings:
    """The settings of the run in `folder`.

    Raises:
        CheckpointError: there is no run of translation.
    """
    task = read_record(folder)["task"]
    if task != "translation":
        raise CheckpointError(
            f"{folder} holds a run of {task}, not of translation; `ostinato train translation` "
            "makes one"
        )
    return TranslationSettings(**read_toml(folder / CONFIG, TranslationSettings))


def describe(folder: Path, settings: TranslationSettings, corpus: TranslationCorpus) -> None:
    """Write what the run is: settings, tokenisers, fingerprint, and a page for a person."""
    paths = {name: getattr(settings, name) for name in _PATHS}
    fixed = settings.model_copy(
        update={
            "run": folder.absolute(),
            **{n: None if p is None else p.expanduser().absolute() for n, p in paths.items()},
        }
    )
    record = {
        "task": "translation",
        "cell": "transformer" if settings.model == "transformer" else settings.cell,
        "fingerprint": corpus.fingerprint,
        "sources": [],
    }
    save_codec(corpus.codec, folder)
    write_text(folder / RECORD, json.dumps(record, indent=1))
    write_text(folder / "README.md", _page(folder, settings, corpus))
    write_text(folder / CONFIG, write_toml(fixed))


def _page(folder: Path, settings: TranslationSettings, corpus: TranslationCorpus) -> str:
    layers = f"{settings.layers} layer" + "s" * (settings.layers > 1)
    codec = corpus.codec
    sizes = f"{codec.source.vocabulary_size} to translate, {codec.target.vocabulary_size} to write"
    held = "none" if corpus.validation is None else f"{len(corpus.validation):,}"
    return f"""# {folder.name}

A translation model of {corpus.train.name}.

- model: {_kind(settings)}, {layers} of {settings.hidden_size} units
- tokens: {settings.tokens}, {sizes}
- pairs to train on: {len(corpus.train):,}, to validate on: {held}

{_talk(folder, corpus)}    ostinato translate {folder} FILE                          translate
    ostinato evaluate {folder} --source FILE --target FILE    BLEU and chrF
    ostinato resume {folder}                                  go on, if it was stopped

All settings are in config.toml, the figures in metrics.jsonl, the losses in figures/loss.png.
"""


def _talk(folder: Path, corpus: TranslationCorpus) -> str:
    if corpus.history is None:
        return ""
    return f"    ostinato chat {folder}                                    talk with it\n"


def _kind(settings: TranslationSettings) -> str:
    if settings.model == "transformer":
        return settings.model
    return f"{settings.model}, {settings.cell}"
