"""Few combinations of options in which any two values of two options meet."""

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Any

Pair = tuple[tuple[str, Any], tuple[str, Any]]


def pairwise(options: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Combinations, each so chosen that it brings many new pairs; always the same ones.

    Args:
        options: the values of each, by name.
    """
    missing = dict.fromkeys(
        ((one, first), (other, second))
        for one, other in combinations(options, 2)
        for first, second in product(options[one], options[other])
    )
    found = []
    while missing:
        chosen = dict(next(iter(missing)))
        for name in options:
            if name not in chosen:
                counts = [_new(chosen | {name: value}, missing) for value in options[name]]
                chosen[name] = options[name][counts.index(max(counts))]
        found.append({name: chosen[name] for name in options})
        for pair in _pairs(found[-1]):
            missing.pop(pair, None)
    return found


def _pairs(chosen: Mapping[str, Any]) -> list[Pair]:
    return list(combinations(chosen.items(), 2))


def _new(chosen: Mapping[str, Any], missing: Mapping[Pair, None]) -> int:
    either_way = [*_pairs(chosen), *((second, first) for first, second in _pairs(chosen))]
    return sum(pair in missing for pair in either_way)
