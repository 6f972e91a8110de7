"""Strings that end a text that comes in pieces, wherever the pieces are cut."""

from collections.abc import Sequence

from ostinato.errors import SettingsError


class StopStrings:
    """Passes a text on until one of the stop strings appears, and never shows a part of one.

    The first to be complete counts, the longest of those complete at once; so the text shown is
    the same however it is cut into pieces.

    Args:
        stops: strings that end the text, left out themselves.

    Raises:
        SettingsError: an empty string among them, or one string in place of several.

    Example:
        >>> text = StopStrings(["END"])
        >>> text.feed("all E"), text.feed("N"), text.feed("D and more")
        (('all ', False), ('', False), ('', True))
    """

    def __init__(self, stops: Sequence[str]) -> None:
        if isinstance(stops, str):
            raise SettingsError(f"stop strings must be a list, as [{stops!r}], got {stops!r}")
        if any(not stop for stop in stops):
            raise SettingsError("a stop string must not be empty")
        self.stops = tuple(stops)
        self.held = ""
        self.stopped = False

    def feed(self, piece: str) -> tuple[str, bool]:
        """The text that can be shown now, and whether a stop string was reached by now."""
        if self.stopped:
            return "", True
        text = self.held + piece
        found = [(text.find(stop) + len(stop), text.find(stop)) for stop in self.stops]
        complete = [(end, start) for end, start in found if start >= 0]
        if complete:
            self.held, self.stopped = "", True
            return text[: min(complete)[1]], True
        kept = max((_beginning(text, stop) for stop in self.stops), default=0)
        self.held = text[len(text) - kept :]
        return text[: len(text) - kept], False

    def finish(self) -> str:
        """What was held back and turned out to be no stop string."""
        held, self.held = self.held, ""
        return held


def _beginning(text: str, stop: str) -> int:
    """How many of the text's last characters begin `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
