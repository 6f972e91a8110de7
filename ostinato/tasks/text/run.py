"""A trained language model with its tokeniser and folder: it evaluates and it writes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ostinato.data import TextReading, TokenPart, prepare_part
from ostinato.data.tokenisers import Tokeniser
from ostinato.decoding import Sampling
from ostinato.errors import SettingsError
from ostinato.models import LanguageModel
from ostinato.tasks.run_folder import read_record
from ostinato.tasks.text.corpus import find_corpus
from ostinato.tasks.text.evaluation import evaluate
from ostinato.tasks.text.settings import TextSettings
from ostinato.tasks.text.writing import predict
from ostinato.tasks.trained_run import TrainedRun
from ostinato.training import Observer


class Run(TrainedRun[TextSettings]):
    """A trained run: its model, tokeniser and folder.

    Made by `ostinato.train_text` and `ostinato.load_run`.

    Args:
        folder: the run's folder.
        settings: as it was trained with.
        model: with the run's best weights.
        tokeniser: the model's own.
    """

    def __init__(
        self, folder: Path, settings: TextSettings, model: LanguageModel, tokeniser: Tokeniser
    ) -> None:
        super().__init__(folder, settings)
        self.model = model
        self.tokeniser = tokeniser
        self.record = read_record(folder)
        self.may_end = bool(self.record["counts_ends"])

    def evaluate(
        self,
        data: str | Sequence[str] | None = None,
        part: str = "validation",
        *,
        observer: Observer | None = None,
    ) -> dict[str, float]:
        """The model's figures on other text, or on a part of its own corpus.

        Args:
            data: files, folders or globs; None: the corpus of the run.
            part: "train", "validation" or "test", of the run's own corpus.
            observer: hears how far it is; None: nobody does.

        Returns:
            As `evaluate`.
        """
        observer = observer or Observer()
        return evaluate(self.model, self._part(data, part, observer), progress=observer.evaluated)

    def stream(
        self,
        prompt: str = "",
        *,
        length: int = 200,
        samples: int = 1,
        seed: int = 0,
        sampling: Sampling | None = None,
        stop: Sequence[str] = (),
    ) -> Iterator[list[str]]:
        """Text as it comes: each step, a piece for every sample; see `predict`."""
        return predict(
            self.model,
            self.tokeniser,
            prompt,
            length=length,
            samples=samples,
            seed=seed,
            sampling=sampling,
            stop=stop,
            may_end=self.may_end,
        )

    def generate(
        self,
        prompt: str = "",
        *,
        length: int = 200,
        seed: int = 0,
        sampling: Sampling | None = None,
        stop: Sequence[str] = (),
    ) -> str:
        """A text that the model writes on from `prompt`, without the prompt; see `predict`."""
        options = {"length": length, "seed": seed, "sampling": sampling, "stop": stop}
        return "".join(pieces[0] for pieces in self.stream(prompt, **options))  # pyright: ignore[reportArgumentType]

    def _part(
        self, data: str | Sequence[str] | None, part: str, observer: Observer | None = None
    ) -> TokenPart:
        observer = observer or Observer()
        if data is not None:
            return prepare_part(
                data if isinstance(data, str) else list(data),
                tokeniser=self.tokeniser,
                counts_ends=self.may_end,
                reading=TextReading(self.settings.document, self.settings.replace_bad_bytes),
                cache=self.settings.cache_dir,
                progress=observer.preparing,
            )
        parts = find_corpus(self.record, self.settings, observer).parts
        if part not in parts:
            raise SettingsError(
                f"this run has no {part} part; it has {', '.join(parts)}; give --data instead"
            )
        return parts[part]
