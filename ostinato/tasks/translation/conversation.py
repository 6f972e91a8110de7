"""A dialogue with a model: what was said so far, and the next answer."""

from collections.abc import Callable

from ostinato.data.dialogues import TURN_SEPARATOR, join_turns
from ostinato.errors import DataError


class Conversation:
    """Turns of a person and a model, one after the other.

    The model reads the last turns before the person's, both speakers', as in training: at most
    `history`, and fewer where together they are too long.

    Args:
        answer: from a source, as `join_turns` makes it, to what the model says.
        history: turns before the one to be answered that the model reads.
        fits: whether a source is no longer than those that were learnt from.

    Example:
        >>> talk = Conversation(str.upper, history=2, fits=lambda source: len(source) < 25)
        >>> talk.say("Hello!"), talk.say("You?"), talk.say("Who?")
        ('HELLO!', 'HELLO! ␞ HELLO! ␞ YOU?', 'WHO?')
    """

    def __init__(
        self, answer: Callable[[str], str], history: int, fits: Callable[[str], bool]
    ) -> None:
        self.answer = answer
        self.history = history
        self.fits = fits
        self.turns: list[str] = []

    def say(self, text: str) -> str:
        """Say something; gives the answer.

        Raises:
            DataError: there is nothing in the text, or the sign that stands between turns.
        """
        said = " ".join(text.split("\n")).strip()
        if not said:
            raise DataError("say something: an empty line has no answer")
        if TURN_SEPARATOR in said:
            raise DataError(f"{TURN_SEPARATOR} stands between turns: leave it out")
        answer = self.answer(self._source(said))
        self.turns = [turn for turn in (*self.turns, said, answer) if turn]
        return answer

    def begin_anew(self) -> None:
        """Forget all turns."""
        self.turns = []

    def _source(self, said: str) -> str:
        before = self.turns[-self.history :] if self.history else []
        while before and not self.fits(join_turns([*before, said])):
            before = before[1:]
        return join_turns([*before, said])
