"""A picture of an answer: the points, the planner's answer, and the best one known."""

from pathlib import Path

import numpy as np

from ostinato.data.planning.judging import judge
from ostinato.data.planning.labels import best_answers, how_good
from ostinato.data.planning.problems import Answer, Points, Problem, to_unit_square
from ostinato.errors import SettingsError
from ostinato.xray.plans import Panel, draw_plans

_NAMES = {"convex-hull": "hull", "delaunay": "triangulation", "tsp": "tour"}


def draw_beside_best(problem: Problem, points: Points, answer: Answer, picture: Path) -> str:
    """Draw the planner's answer beside the best one known.

    Args:
        problem: that the points are of.
        points: (points, 2).
        answer: the planner's, in normal form.
        picture: the PNG file to write.

    Returns:
        In words, how the answer compares.

    Raises:
        SettingsError: sorted numbers have no picture.
        MissingExtraError: matplotlib, scipy or fast-tsp is needed and not installed.
    """
    if problem.name not in _NAMES:
        raise SettingsError("--figure draws points in the plane; sorted numbers have no picture")
    square, _ = to_unit_square(points)
    (best,) = best_answers(problem, [square])
    figures = judge(problem, [square], [answer], [best])
    told = _compared(problem, figures)
    name, quality = _NAMES[problem.name], how_good(problem, len(points))
    exact = f"exact {name}" if quality == "exact" else f"{name}, {quality}"
    panels = [_panel(problem, f"planner: {told}", answer), _panel(problem, exact, best)]
    draw_plans(points, panels, picture)
    return told


def _panel(problem: Problem, title: str, answer: Answer) -> Panel:
    lines = list(answer) if problem.name == "delaunay" else [np.asarray(answer)]
    return Panel(title, lines, filled=problem.name != "tsp")


def _compared(problem: Problem, figures: dict[str, float]) -> str:
    if figures["accuracy"] == 1:
        return "the same answer" if problem.name != "tsp" else "as short"
    if problem.name == "tsp":
        return f"{figures['optimality_gap']:+.1%} length"
    share = figures[problem.measure]
    return f"{share:.1%} of the {'area' if problem.name == 'convex-hull' else 'triangles'}"
