"""Sentences of a small language, in which what a word is depends on the word behind it."""

import random
from pathlib import Path

_NAMES = ("Ada", "Bo", "Cleo", "Dan")
_PLACES = ("Rome", "Oslo", "Paris", "Lima")


def sentences(count: int, seed: int) -> list[list[tuple[str, str]]]:
    """`can` is a noun before `is`, else a verb; names and places are spans of one or two words."""
    generator = random.Random(seed)
    return [_sentence(generator) for _ in range(count)]


def _sentence(generator: random.Random) -> list[tuple[str, str]]:
    name = [(generator.choice(_NAMES), "B-PER")]
    if generator.random() < 0.5:
        name.append((generator.choice(_NAMES) + "son", "I-PER"))
    place = [("New", "B-LOC"), (generator.choice(_PLACES), "I-LOC")]
    place = place if generator.random() < 0.5 else [(place[1][0], "B-LOC")]
    middle = [("can", "B-THING"), ("is", "O")]
    if generator.random() < 0.5:
        middle = [("can", "O"), ("see", "O")]
    tail = [(str(generator.randint(1, 9999)), "O")] * generator.randint(0, 2)
    return [*name, *middle, *place, *tail, (".", "O")]


def write(path: Path, rows: list[list[tuple[str, str]]]) -> Path:
    """As a .tsv."""
    text = "\n\n".join("\n".join("\t".join(pair) for pair in sentence) for sentence in rows)
    path.write_text(text + "\n", encoding="utf-8")
    return path
