"""The cases on which spans were counted by the shared tasks' own script, conlleval.

Each case has a name and sentences, a sentence the true and the predicted label of every token. The
script's numbers are in `conlleval.json` beside this file; they were printed by its version of
2004-01-26 (Tjong Kim Sang, perl 5), which was given `token true predicted` a line and an empty line
between sentences:

    perl conlleval < cases.txt

Of IOBES the script knows only B, I, E and O (it has no S, and joins what ends with E to a B behind
it), so that cases with S, or with B after E, were given to it in IOB2.
"""

import random
from collections.abc import Iterator

Sentence = tuple[list[str], list[str]]

_BY_HAND = {
    "all right": ["B-NP I-NP O B-VP | B-NP I-NP O B-VP"],
    "IOB1": ["I-NP I-NP B-NP I-VP O | I-NP I-NP I-NP I-VP O"],
    "adjacent chunks": ["B-NP B-NP I-NP B-NP | B-NP I-NP I-NP B-NP", "B-X B-X B-X | B-X B-X B-X"],
    "I after O": ["O B-NP I-NP O | O I-NP I-NP O", "O O B-VP | I-NP O I-VP"],
    "I-X after B-Y": ["B-NP I-NP I-NP | B-NP I-VP I-NP", "B-VP I-VP O | B-NP I-VP O"],
    "end of a sentence": ["O B-NP | O B-NP", "I-NP O | I-NP O", "B-NP I-NP | B-NP I-NP"],
    "hyphens in types": [
        "B-per-son I-per-son O B-per | B-per-son I-per-son B-per-son B-per",
        "B-per-son I-per O | B-per I-per O",
    ],
    "only O": ["O O O | O O O", "O | O"],
    "nothing found": ["B-NP O B-VP | O O O"],
    "nothing true": ["O O O O | B-NP I-NP O B-VP"],
    "wrong types with right boundaries": ["B-NP I-NP O B-VP O | B-VP I-VP O B-NP O"],
    "too long and too short": ["B-NP I-NP O B-VP I-VP | B-NP I-NP I-NP B-VP O"],
    "B, I, E": [
        "B-NP I-NP E-NP O B-VP E-VP | B-NP E-NP I-NP O B-VP E-VP",
        "E-NP E-NP I-NP | B-NP I-NP I-NP",
    ],
    "IOBES": [
        "S-NP S-NP B-VP E-VP O | S-NP B-NP E-NP S-VP O",
        "B-NP E-NP B-NP I-NP E-NP S-X | B-NP E-NP B-NP I-NP E-NP S-Y",
    ],
}
_DRAWN = {
    "drawn, IOB1 and IOB2": ["O", "B-NP", "I-NP", "B-VP", "I-VP", "I-per-son"],
    "drawn, B, I, O and E without B after E": ["O", "I-NP", "E-NP", "I-VP", "E-VP"],
    "drawn, IOBES": ["O", "B-NP", "I-NP", "E-NP", "S-NP", "B-VP", "E-VP", "S-VP"],
}
_DRAWN_SENTENCES, _LONGEST, _KEPT = 300, 9, 0.6


def cases() -> Iterator[tuple[str, list[Sentence]]]:
    """Name and sentences of each case."""
    for name, lines in _BY_HAND.items():
        halves = [line.split("|") for line in lines]
        yield name, [(true.split(), predicted.split()) for true, predicted in halves]
    for seed, (name, labels) in enumerate(_DRAWN.items()):
        generator = random.Random(seed)
        yield name, [_draw(labels, generator) for _ in range(_DRAWN_SENTENCES)]


def _draw(labels: list[str], generator: random.Random) -> Sentence:
    """True labels at random, of which a good half is predicted; by `random` alone, which stays."""
    length = 1 + int(generator.random() * _LONGEST)
    true = [labels[int(generator.random() * len(labels))] for _ in range(length)]
    other = [labels[int(generator.random() * len(labels))] for _ in range(length)]
    pairs = zip(true, other, strict=True)
    return true, [one if generator.random() < _KEPT else two for one, two in pairs]
