"""Which parts of attention go together: one table, for the check and for its message."""

from typing import Any

from ostinato.errors import SettingsError

SCORES = ("content", "additive", "location", "general", "dot", "scaled-dot")
WINDOWS = ("global", "monotonic", "predictive")
_LOCAL_SCORES = tuple(name for name in SCORES if name != "location")

# For each window, the score functions that go with soft and with hard attention.
ALLOWED: dict[str, dict[str, tuple[str, ...]]] = {
    "global": {"soft": SCORES, "hard": SCORES},
    "monotonic": {"soft": _LOCAL_SCORES, "hard": _LOCAL_SCORES},
    "predictive": {"soft": _LOCAL_SCORES, "hard": ()},
}


def combinations_table() -> str:
    """The table of what goes together, a line a window, as messages and the documentation show it.

    Example:
        >>> print(combinations_table())
        window      soft                                            hard
        global      all                                             all
        monotonic   content, additive, general, dot, scaled-dot     content, additive, general, dot, scaled-dot
        predictive  content, additive, general, dot, scaled-dot     none
    """  # noqa: E501
    lines = [f"{'window':<12}{'soft':<48}hard"]
    for window, by_choice in ALLOWED.items():
        soft, hard = (_names(by_choice[kind]) for kind in ("soft", "hard"))
        lines.append(f"{window:<12}{soft:<48}{hard}")
    return "\n".join(lines)


def check_combination(score: Any, window: Any, *, hard: bool) -> None:
    """Raise SettingsError unless these parts go together.

    Args:
        score: a score function.
        window: a window; None: the whole source.
        hard: one position is chosen.
    """
    where = "global" if window is None else window.name
    kind = "hard" if hard else "soft"
    if score.name not in SCORES or where not in WINDOWS or score.name in ALLOWED[where][kind]:
        _check_coverage(score, hard)
        return
    if score.name == "location":
        reason = "it scores fixed positions and reads no key, and a window moves over the keys"
    else:
        reason = "a Gaussian's weights do not add up to 1, so that no position can be drawn by them"
    raise SettingsError(
        f"the {score.name} score does not go with the {where} window and {kind} attention: "
        f"{reason}. What goes together:\n{combinations_table()}"
    )


def _check_coverage(score: Any, hard: bool) -> None:
    if hard and getattr(score, "of_coverage", None) is not None:
        raise SettingsError(
            "coverage does not go with hard attention: no gradient passes through the positions "
            "chosen, so that it could not be learnt from them; use soft attention"
        )


def _names(scores: tuple[str, ...]) -> str:
    return "all" if scores == SCORES else ", ".join(scores) or "none"
