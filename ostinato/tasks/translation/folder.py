"""What the folder of a translation run says: its settings, and a page for a person."""

from pathlib import Path

from ostinato.tasks.own_cell import cell_title
from ostinato.tasks.recorded_run import (
    found_from_anywhere,
    recorded_cell,
    recorded_settings,
    write_run,
)
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


def settings_of(folder: Path, cell: str | None = None) -> TranslationSettings:
    """The settings of the run in `folder`.

    Args:
        folder: the run's folder.
        cell: FILE.py:Class again, for a run with a cell of one's own. None: not named.

    Raises:
        CheckpointError: there is no run of translation.
        SettingsError: a cell of one's own is not named, or its source changed.
    """
    return recorded_settings(folder, "translation", TranslationSettings, cell)


def describe(folder: Path, settings: TranslationSettings, corpus: TranslationCorpus) -> None:
    """Write what the run is: settings, tokenisers, fingerprint, and a page for a person."""
    fixed = settings.model_copy(
        update={
            **found_from_anywhere(folder, settings, _PATHS),
        }
    )
    record = {
        "task": "translation",
        **recorded_cell("transformer" if settings.model == "transformer" else settings.cell),
        "fingerprint": corpus.fingerprint,
        "sources": [],
    }
    save_codec(corpus.codec, folder)
    write_run(folder, fixed, record, _page(folder, settings, corpus))


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
    return f"{settings.model}, {cell_title(settings.cell)}"
