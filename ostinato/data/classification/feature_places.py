"""Where the features of training stand among those of another table: columns go by their names."""

from collections.abc import Sequence

from ostinato.errors import DataError
from ostinato.names import nearest


def places_of(trained: Sequence[str], found: Sequence[str], name: str) -> list[int] | None:
    """The place of each feature of training among those found; further ones are left out.

    Args:
        trained: the features of training by name.
        found: those of the table, empty where they have no names.
        name: of the table, for messages.

    Returns:
        None where the two are the same, or none of the names is known, so that what counts is the
        order: a table and a file of the archives name the same features differently.

    Raises:
        DataError: some features are there by name and one is not.

    Example:
        >>> places_of(["x", "y"], ["y", "hour", "x"], "table.csv")
        [2, 0]
    """
    if tuple(trained) == tuple(found) or not set(trained) & set(found):
        return None
    missing = [one for one in trained if one not in found]
    if missing:
        raise DataError(
            f"{name} has no column {missing[0]!r}, which the model was trained with; it has "
            + ", ".join(found[:20])
            + nearest(missing[0], found)
        )
    return [found.index(one) for one in trained]
