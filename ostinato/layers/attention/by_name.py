"""A score function by its name, as settings and command lines give it."""

from ostinato.errors import SettingsError
from ostinato.layers.attention.additive import AdditiveScore
from ostinato.layers.attention.combinations import SCORES
from ostinato.layers.attention.content import ContentScore
from ostinato.layers.attention.dot import DotScore
from ostinato.layers.attention.general import GeneralScore
from ostinato.layers.attention.location import LocationScore
from ostinato.layers.attention.scaled_dot import ScaledDotScore
from ostinato.layers.attention.score import ScoreFunction


def build_score(
    name: str, query_size: int, key_size: int, *, longest: int | None = None, coverage: bool = False
) -> ScoreFunction:
    """The score function of this name.

    Args:
        name: "content", "additive", "location", "general", "dot" or "scaled-dot".
        query_size, key_size: features of a query and of a key.
        longest: source positions that a location-based score knows; the others need none.
        coverage: the score also reads what was attended to before; additive only.

    Raises:
        SettingsError: an unknown name, or sizes or options that do not fit it.

    Example:
        >>> build_score("general", 4, 6)
        GeneralScore(
          4, 6
          (of_key): Linear(in_features=6, out_features=4, bias=False)
        )
    """
    if name not in SCORES:
        raise SettingsError(f"score must be one of {', '.join(SCORES)}, got {name!r}")
    if coverage and name != "additive":
        raise SettingsError(f"coverage is read by the additive score only, not by {name}")
    if name == "location":
        if longest is None:
            raise SettingsError("the location score needs `longest`, the positions that it knows")
        return LocationScore(query_size, key_size, longest=longest)
    if name == "additive":
        return AdditiveScore(query_size, key_size, coverage=coverage)
    return _SCORES[name](query_size, key_size)


_SCORES = {
    "content": ContentScore,
    "general": GeneralScore,
    "dot": DotScore,
    "scaled-dot": ScaledDotScore,
}
