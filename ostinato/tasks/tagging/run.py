"""A trained tagger with its vocabulary and folder: it tags, and it is judged."""

from collections.abc import Sequence
from pathlib import Path

from ostinato.data.tagging.codec import TagCodec
from ostinato.data.tagging.formats import format_of
from ostinato.data.tagging.part import encode_tagged
from ostinato.data.tagging.running_text import words_of
from ostinato.data.tagging.sentences import Sentence
from ostinato.errors import DataError, SettingsError
from ostinato.models import Tagger
from ostinato.tasks.tagging.corpus import prepare_again, read_text, tell_unseen
from ostinato.tasks.tagging.evaluation import TaggingJudgement, evaluate, predict
from ostinato.tasks.tagging.settings import TaggingSettings
from ostinato.tasks.trained_run import TrainedRun
from ostinato.training import Observer


class TaggingRun(TrainedRun[TaggingSettings]):
    """A trained run: its model, vocabulary and folder.

    Made by `ostinato.train_tagging` and `ostinato.load_tagger`.

    Args:
        folder: the run's folder.
        settings: as it was trained with.
        model: with the run's best weights.
        codec: the model's own.
    """

    def __init__(
        self, folder: Path, settings: TaggingSettings, model: Tagger, codec: TagCodec
    ) -> None:
        super().__init__(folder, settings)
        self.model = model
        self.codec = codec

    @property
    def label_figure(self) -> Path:
        """Where the picture of the labels lies, by the run's own validation."""
        return self.folder / "figures" / "labels.png"

    def tag(self, sentence: str | Sequence[str]) -> list[tuple[str, str]]:
        """The tokens of one sentence, each with its label.

        Args:
            sentence: running text, which is cut into words and punctuation marks; or tokens.

        Raises:
            DataError: there is no token, or an empty one; or the model reads more columns.
        """
        tokens = words_of(sentence) if isinstance(sentence, str) else list(sentence)
        if not tokens or not all(tokens):
            raise DataError(f"a sentence needs tokens, none of them empty, got {sentence!r}")
        (labels,) = self.tag_sentences([Sentence(tuple(tokens), (), (1,) * len(tokens))])
        return list(zip(tokens, labels, strict=True))

    def tag_sentences(self, sentences: Sequence[Sentence]) -> list[tuple[str, ...]]:
        """The labels of each sentence, a label a token, in the order given."""
        return predict(self.model, self.codec, sentences)

    def evaluate(
        self, data: Path | str | None = None, *, observer: Observer | None = None
    ) -> TaggingJudgement:
        """Tag the sentences of a file and compare with its labels.

        Args:
            data: read as the run's own data, its format by its name. None: the run's own
                validation sentences.
            observer: hears how far it is, and of labels that never occur in training.

        Raises:
            DataError: something in the file, with its line; or not one of its labels is known.
            SettingsError: there is no `data` and the run validated on nothing.
        """
        observer = observer or Observer()
        if data is None:
            corpus = prepare_again(self.folder, self.settings, observer, vectors=False)
            if corpus.validation is None:
                raise SettingsError(
                    f"{self.folder} was trained without validation: give the data to judge it by"
                )
            part, text = corpus.validation
        else:
            text = read_text(self._settings_for(Path(data)), Path(data), observer)
            part = encode_tagged(text, self.codec)
            tell_unseen(part, observer)
        return evaluate(self.model, part, text, progress=observer.evaluated)

    @property
    def own_format(self) -> str | None:
        """The format of its training file."""
        return self.settings.format or format_of(self.settings.data)

    def _settings_for(self, path: Path) -> TaggingSettings:
        """The run's own; of a file whose name tells another format, that one's usual columns."""
        own = format_of(self.settings.data)
        if format_of(path) in (None, own):
            return self.settings.model_copy(update={"format": self.settings.format or own})
        if self.settings.features:
            raise SettingsError(
                f"{self.folder} reads the columns {' '.join(self.settings.features)} of "
                f"{self.settings.format or own} files, and {path} is no such file: give one, or "
                "change it into one"
            )
        columns = {"token_column": None, "label_column": None}
        return self.settings.model_copy(update={"format": format_of(path), **columns})
