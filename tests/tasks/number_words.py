"""A language pair that is learnt in seconds: German number words, English ones, and names."""

import random
from pathlib import Path

_WORDS = {
    "eins": "one",
    "zwei": "two",
    "drei": "three",
    "vier": "four",
    "fünf": "five",
    "sechs": "six",
}


def pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Sentences of one to six words; one word in eight is a name that never comes again."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        words = [chance.choice(list(_WORDS)) for _ in range(chance.randint(1, 6))]
        source = [word if chance.random() > 0.12 else name(chance) for word in words]
        found.append((" ".join(source), " ".join(_WORDS.get(word, word) for word in source)))
    return found


def name(chance: random.Random) -> str:
    return "".join(chance.choices("ABCDEFGHIJ", k=9))


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.write_text("".join(f"{source}\t{target}\n" for source, target in rows), encoding="utf-8")
    return path
