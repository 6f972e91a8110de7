"""Fixed instances to judge by, with the best answers known, made once and kept on disk."""

from collections.abc import Callable
from pathlib import Path

from ostinato.checkpoint import write_text
from ostinato.data.corpus_cache import default_cache
from ostinato.data.planning.examples import TEST, VALIDATION, draw_instances
from ostinato.data.planning.instance_file import Instance, format_instances, read_instances
from ostinato.data.planning.labels import EXACT_IN_TESTS, best_answers, training_answers
from ostinato.data.planning.problems import Problem
from ostinato.errors import DataError

TEST_INSTANCES = 1000
_VERSION = 1


def instances_to_test(
    problem: Problem,
    sizes: tuple[int, int],
    *,
    count: int = TEST_INSTANCES,
    cache: Path | None = None,
    tell: Callable[[str], None] | None = None,
) -> list[Instance]:
    """The same instances for every run, with `best_answers`.

    Args:
        problem: that they are of.
        sizes: fewest and most points.
        count: how many.
        cache: the folder they are kept in. None: the usual one of this user.
        tell: called with what is about to take time. None: nobody listens.

    Raises:
        DataError: the cache cannot be made.
    """
    folder = (cache or default_cache()) / "planning"
    path = folder / f"{problem.name}-{sizes[0]}-{sizes[1]}-{count}-v{_VERSION}.txt"
    if path.is_file():
        return read_instances(path, problem)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"the cache {folder} cannot be made ({error.strerror}); name another folder for it, "
            "as with the environment variable XDG_CACHE_HOME"
        ) from error
    points = draw_instances(problem, sizes, count, (TEST, _VERSION))
    if tell is not None:
        tell(
            f"finding the best answers to {count:,} fixed instances, once; they are kept in {path}"
            + (
                f"; a tour through {EXACT_IN_TESTS} points or more takes about a second"
                * (sizes[1] >= EXACT_IN_TESTS)
            )
        )
    answers = best_answers(problem, points)
    write_text(path, format_instances(problem, points, answers))
    return [Instance(*pair) for pair in zip(points, answers, strict=True)]


def instances_to_validate(problem: Problem, sizes: tuple[int, int], count: int) -> list[Instance]:
    """The same instances for every run, other ones than to test on, with `training_answers`."""
    points = draw_instances(problem, sizes, count, (VALIDATION, _VERSION))
    return [Instance(*pair) for pair in zip(points, training_answers(problem, points), strict=True)]
