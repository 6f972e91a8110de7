"""Examples made while training: new ones for ever, and the same whenever they are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ostinato.data.planning.batches import PlanningBatch, make_batch
from ostinato.data.planning.labels import training_answers
from ostinato.data.planning.problems import Points, Problem

TRAINING, VALIDATION, TEST, COMPARISON = 0, 1, 2, 3
"""What instances are for; those of one purpose are never those of another."""


@dataclass(frozen=True)
class ExampleSource:
    """What examples are drawn from.

    Args:
        problem: that they are of.
        fewest, most: points of an instance, each number of them equally likely.
        batch_size: examples in a batch, over all processes together.
        epoch_size: examples in an epoch, rounded up to whole batches.
        seed: where chance comes from, together with the epoch and the batch's number.
        labelled: whether answers to learn from come with them.
        rank, world_size: this process among those of the run; each takes its rows of every batch.
    """

    problem: Problem
    fewest: int
    most: int
    batch_size: int
    epoch_size: int
    seed: int = 0
    labelled: bool = True
    rank: int = 0
    world_size: int = 1

    def epoch(self, number: int) -> "EpochOfExamples":
        """The batches of an epoch, by its number."""
        return EpochOfExamples(self, number)

    def draw(self, epoch: int, index: int) -> list[Points]:
        """The points of this process's rows of a batch."""
        drawn = draw_instances(
            self.problem,
            (self.fewest, self.most),
            self.batch_size,
            (TRAINING, self.seed, epoch, index),
        )
        rows = np.array_split(np.arange(self.batch_size), self.world_size)[self.rank]
        return drawn[rows[0] : rows[-1] + 1] if len(rows) else []


class EpochOfExamples:
    """The batches of one epoch: a length, and each by its number, made when it is asked for."""

    def __init__(self, source: ExampleSource, number: int) -> None:
        self.source = source
        self.number = number

    def __len__(self) -> int:
        return -(-self.source.epoch_size // self.source.batch_size)

    def __iter__(self) -> Iterator[PlanningBatch]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> PlanningBatch:
        source = self.source
        points = source.draw(self.number, index)
        answers = training_answers(source.problem, points) if source.labelled else None
        return make_batch(
            source.problem,
            points,
            answers,
            epoch=self.number,
            index=index,
            where=f"examples of batch {index} of epoch {self.number}",
        )


def draw_instances(
    problem: Problem, sizes: tuple[int, int], count: int, key: tuple[int, ...]
) -> list[Points]:
    """Points drawn evenly from the unit square: (points, coordinates) of each instance.

    Args:
        problem: that they are for.
        sizes: fewest and most points; each number between is equally likely.
        count: how many instances.
        key: whole numbers; the same ones draw the same instances.
    """
    chance = np.random.default_rng(key)
    lengths = chance.integers(sizes[0], sizes[1] + 1, count)
    points = chance.random((count, sizes[1], problem.coordinates))
    return [one[:length] for one, length in zip(points, lengths, strict=True)]
