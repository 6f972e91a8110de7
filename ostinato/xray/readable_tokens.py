"""Tokens as they can be read in a picture, whatever their script."""

from functools import cache

_SIGNS = {" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍", "": "∅"}


def readable(token: str, longest: int = 22) -> str:
    """The token as it can be read: white space as signs, long ones cut, no sign without a font."""
    token = _SIGNS.get(token, token)
    token = "".join(_SIGNS.get(sign, sign) for sign in token)
    if len(token) > longest:
        token = token[: longest - 1] + "…"
    return "".join(sign if _font_of(sign) else f"‹{ord(sign):X}›" for sign in token)


def families(text: str) -> list[str]:
    """The fonts that together have all signs of `text`, matplotlib's own first."""
    found = [_font_of(sign) for sign in text]
    return list(dict.fromkeys(["DejaVu Sans", *(name for name in found if name)]))


@cache
def _font_of(sign: str) -> str | None:
    """A font of this machine that has the sign; None where none has."""
    for name, signs in _fonts():
        if ord(sign) in signs:
            return name
    return None


@cache
def _fonts() -> tuple[tuple[str, frozenset[int]], ...]:
    """Every font there is with its signs, matplotlib's own first."""
    from matplotlib.font_manager import fontManager
    from matplotlib.ft2font import FT2Font

    entries = [each for each in fontManager.ttflist if each.style == "normal"]
    entries.sort(key=lambda each: (each.name != "DejaVu Sans", each.weight != 400, each.name))
    known: dict[str, frozenset[int]] = {}
    for entry in entries:
        if entry.name not in known and "Last Resort" not in entry.name:
            known[entry.name] = frozenset(FT2Font(entry.fname).get_charmap())
    return tuple(known.items())
