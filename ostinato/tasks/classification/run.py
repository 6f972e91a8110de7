"""A trained classifier with its codec and folder: it classifies, and it is judged."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ostinato.data.classification.codec import SampleCodec, SeriesCodec
from ostinato.data.classification.part import SamplePart, encode_samples
from ostinato.data.classification.reading import SampleFormat, format_of
from ostinato.data.classification.samples import Sample, Samples, SampleStream, collect
from ostinato.errors import DataError, SettingsError
from ostinato.models import Classifier
from ostinato.tasks.classification.corpus import prepare_again, stream
from ostinato.tasks.classification.early import EarlyJudgement, evaluate_early
from ostinato.tasks.classification.evaluation import Judgement, evaluate, predict, predict_steps
from ostinato.tasks.classification.live import LiveClassification
from ostinato.tasks.classification.prediction import Prediction, predictions
from ostinato.tasks.classification.settings import ClassificationSettings
from ostinato.tasks.trained_run import TrainedRun
from ostinato.training import Observer


class ClassificationRun(TrainedRun[ClassificationSettings]):
    """A trained run: its model, codec and folder.

    Made by `ostinato.train_classification` and `ostinato.load_classifier`.

    Args:
        folder: the run's folder.
        settings: as it was trained with.
        model: with the run's best weights.
        codec: the model's own.
    """

    def __init__(
        self,
        folder: Path,
        settings: ClassificationSettings,
        model: Classifier,
        codec: SampleCodec,
    ) -> None:
        super().__init__(folder, settings)
        self.model = model
        self.codec = codec

    @property
    def class_figure(self) -> Path:
        """Where the picture of the classes lies, by the run's own validation."""
        return self.folder / "figures" / "classes.png"

    @property
    def calibration_figure(self) -> Path:
        """Where the calibration lies, by the run's own validation."""
        return self.folder / "figures" / "calibration.png"

    @property
    def early_figure(self) -> Path:
        """Where the figure by the share of a sample lies, of a model that reads one way."""
        return self.folder / "figures" / "early.png"

    def predict(self, inputs: "Sequence[str] | Sequence[NDArray] | Samples") -> list[Prediction]:
        """The class of each sample, in the order given.

        Args:
            inputs: texts; or series, each (time,) or (time, feature); or what `read` gives.

        Raises:
            DataError: an empty one, or one that is not as in training.
        """
        samples = self._samples(inputs)
        if not len(samples):
            return []
        return self._named(predict(self.model, encode_samples(samples, self.codec)))

    def predict_steps(
        self, inputs: "Sequence[str] | Sequence[NDArray] | Samples"
    ) -> list[list[Prediction]]:
        """The class of each sample after each of its steps, as if it ended there.

        Args:
            inputs: as in `predict`.

        Raises:
            SettingsError: the model reads both ways.
        """
        samples = self._samples(inputs)
        if not len(samples):
            return []
        part = encode_samples(samples, self.codec)
        found: list[list[Prediction]] = [[]] * len(part)
        for number, steps in predict_steps(self.model, part):
            found[number] = self._named(steps)
        return found

    def live(self) -> LiveClassification:
        """A sample that is still coming: feed its steps, and hear the class after each.

        Raises:
            SettingsError: the model reads both ways, or splits a text where only its rest shows.
        """
        return LiveClassification(self.model, self.codec, self.settings.threshold)

    def read(
        self,
        path: Path,
        *,
        format: SampleFormat | None = None,
        labelled: bool = False,
        observer: Observer | None = None,
    ) -> Samples:
        """The samples of a file, read as the run's own data where its name tells no other format.

        Args: as `stream` takes them.
        """
        return collect(self.stream(path, format=format, labelled=labelled, observer=observer))

    def stream(
        self,
        path: Path,
        *,
        format: SampleFormat | None = None,
        labelled: bool = False,
        observer: Observer | None = None,
    ) -> SampleStream:
        """As `read`, each sample when it is asked for.

        Args:
            path: the file or folder; `-` for standard input.
            format: of the file. None: as its name tells, else the run's own; of standard input
                lines for texts.
            labelled: whether to read their classes.
            observer: hears how far it is.
        """
        found = format or self._format_of(path)
        changes = {"format": found}
        if found != "documents":
            changes["text"] = None
        if found != "long":
            changes |= {"series": None, "time": None}
        settings = self.settings.model_copy(update=changes)
        return stream(settings, path, observer or Observer(), labelled=labelled)

    def evaluate(
        self, data: Path | str | None = None, *, observer: Observer | None = None
    ) -> Judgement:
        """Classify the samples of a file and compare with their classes.

        Args:
            data: read as the run's own data. None: the run's own validation samples.
            observer: hears how far it is.

        Raises:
            DataError: something in the file, with its line; a class that never occurs in training.
            SettingsError: there is no `data` and the run validated on nothing.
        """
        observer = observer or Observer()
        return evaluate(
            self.model,
            self.part(data, observer),
            threshold=self.settings.threshold,
            progress=observer.evaluated,
        )

    def evaluate_early(
        self, data: Path | str | None = None, *, observer: Observer | None = None
    ) -> EarlyJudgement:
        """How right the model is after each twentieth of each sample.

        Args:
            data, observer: as in `evaluate`.

        Raises:
            SettingsError: the model reads both ways.
        """
        observer = observer or Observer()
        return evaluate_early(
            self.model,
            self.part(data, observer),
            threshold=self.settings.threshold,
            progress=observer.evaluated,
        )

    def part(self, data: Path | str | None, observer: Observer) -> SamplePart:
        """The samples of a file, or the run's own validation samples, as numbers."""
        if data is not None:
            samples = self.read(Path(data), labelled=True, observer=observer)
            return encode_samples(samples, self.codec)
        held = prepare_again(self.folder, self.settings, observer).validation
        if held is None:
            raise SettingsError(
                f"{self.folder} was trained without validation: give the data to judge it by"
            )
        return held

    def _format_of(self, path: Path) -> SampleFormat | None:
        own = self.settings.format or format_of(self.settings.data, self.settings.columns)
        if str(path) == "-":
            return own if isinstance(self.codec.inputs, SeriesCodec) else "lines"
        found = format_of(path, self.settings.columns)
        if own == "strokes" and found in (None, "folder", "lines"):
            return own
        tables = ("documents", "wide", "long")
        if isinstance(self.codec.inputs, SeriesCodec) and own not in tables and found in tables:
            raise SettingsError(
                f"{path} may be a table of series, and {self.folder} was trained on the format "
                f"{own}: give a file of that format, or to predict say --format wide for a series "
                "a row"
            )
        return own if found is None or (found in tables and own in tables) else found

    def _named(self, probabilities: NDArray[np.float64]) -> list[Prediction]:
        return predictions(probabilities, self.codec, self.settings.threshold)

    def _samples(self, inputs: "Sequence[str] | Sequence[NDArray] | Samples") -> Samples:
        if isinstance(inputs, Samples):
            return inputs
        if isinstance(inputs, str):
            raise DataError("expected a list of samples, got one text: put it into a list")
        if not len(inputs):
            return Samples()
        features = getattr(self.codec.inputs, "features", ())
        samples = (
            Sample(one if isinstance(one, str) else _series(one), None, f"sample {number}")
            for number, one in enumerate(inputs, start=1)
        )
        return collect(SampleStream(samples, "the samples given", features))


def _series(one: NDArray) -> NDArray[np.float32]:
    series = np.asarray(one, np.float32)
    return series[:, None] if series.ndim == 1 else series
