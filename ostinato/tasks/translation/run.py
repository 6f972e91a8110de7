"""A trained translation model with its tokenisers and folder: it translates, and it is judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ostinato.data import PairCodec, Pairs
from ostinato.decoding import Beam, Draw
from ostinato.errors import SettingsError
from ostinato.tasks.trained_run import TrainedRun
from ostinato.tasks.translation.conversation import Conversation
from ostinato.tasks.translation.evaluation import bleu_by_length, require_sacrebleu, score
from ostinato.tasks.translation.model import Translator
from ostinato.tasks.translation.settings import TranslationSettings
from ostinato.tasks.translation.translating import Translation, predict
from ostinato.training import Observer


@dataclass(frozen=True)
class Judgement:
    """What a test gave.

    Attributes:
        figures: see `ostinato.tasks.translation.evaluation.score`.
        by_length: see `ostinato.tasks.translation.evaluation.bleu_by_length`.
        translations: of every sentence.
    """

    figures: dict[str, Any]
    by_length: list[tuple[str, int, float]]
    translations: list[str]


class TranslationRun(TrainedRun[TranslationSettings]):
    """A trained run: its model, tokenisers and folder.

    Made by `ostinato.train_translation` and `ostinato.load_translator`.

    Args:
        folder: the run's folder.
        settings: as it was trained with.
        model: with the run's best weights.
        codec: the model's own.
    """

    def __init__(
        self,
        folder: Path,
        settings: TranslationSettings,
        model: Translator,
        codec: PairCodec,
    ) -> None:
        super().__init__(folder, settings)
        self.model = model
        self.codec = codec

    def translate(
        self, lines: str | Sequence[str], *, beam: Beam | None = None, draw: Draw | None = None
    ) -> list[str]:
        """The best translation of each line, or of one; see `search`."""
        several = [lines] if isinstance(lines, str) else list(lines)
        return [best.text for best, *_ in self.search(several, beam=beam, draw=draw)]

    def conversation(self, *, beam: Beam | None = None, draw: Draw | None = None) -> Conversation:
        """A dialogue with this model, which remembers as many turns as it was trained to read.

        A model that was trained on pairs, and not on dialogues, remembers none.

        Args:
            beam, draw: how to answer; see `search`.
        """
        answer = partial(self.translate, beam=beam, draw=draw)
        return Conversation(
            lambda line: answer([line])[0],
            self.settings.history or 0,
            lambda line: self.codec.source.encode([line])[1].item() <= self.settings.longest,
        )

    def search(
        self,
        lines: Sequence[str],
        *,
        beam: Beam | None = None,
        draw: Draw | None = None,
        longest: int | None = None,
        alignments: bool = False,
        replace_unknown: bool = True,
        observer: Observer | None = None,
    ) -> list[list[Translation]]:
        """All that `predict` tells of each line.

        Where `longest` is None an answer in a dialogue may be as long as those that were learnt; a
        translation has a length that goes with its source's.

        Raises:
            SettingsError: both a beam and a draw.
        """
        if beam is not None and draw is not None:
            raise SettingsError("give beam or draw, not both: an answer is searched or drawn")
        return predict(
            self.model,
            self.codec,
            lines,
            how=draw or beam,
            longest=longest or (None if self.settings.history is None else self.settings.longest),
            alignments=alignments,
            replace_unknown=replace_unknown,
            progress=None if observer is None else observer.evaluated,
        )

    def evaluate(
        self, pairs: Pairs, *, beam: Beam | None = None, observer: Observer | None = None
    ) -> Judgement:
        """Translate the sources of `pairs` and compare with the targets.

        Raises:
            MissingExtraError: sacrebleu is not installed.
        """
        require_sacrebleu()
        found = self.search(pairs.sources, beam=beam, observer=observer)
        texts = [best.text for best, *_ in found]
        return Judgement(
            score(texts, pairs.targets), bleu_by_length(pairs.sources, texts, pairs.targets), texts
        )
