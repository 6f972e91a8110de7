"""Files of instances, of points, and of TSPLIB: read back, and refused by line."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from ostinato.data.planning.instance_file import format_instances, read_instances
from ostinato.data.planning.labels import training_answers
from ostinato.data.planning.points_file import read_points
from ostinato.data.planning.problems import PROBLEMS
from ostinato.data.planning.tsplib import read_tsplib
from ostinato.errors import DataError

HULL = PROBLEMS["convex-hull"]
SQUARE = "0 0 1 0 1 1 0 1 0.5 0.4 output"
TSPLIB = """NAME: tiny
TYPE: TSP
DIMENSION: 4
EDGE_WEIGHT_TYPE: EUC_2D
NODE_COORD_SECTION
1 0.0 0.0
2 0.0 3.4
3 4.0 3.4
4 4.0 0.0
EOF
"""


def written(folder: Path, text: str, name: str = "file.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", PROBLEMS)
def test_instances_are_read_back_exactly(tmp_path: Path, name: str) -> None:
    problem, chance = PROBLEMS[name], np.random.default_rng(1)
    points = [chance.random((count, problem.coordinates)) for count in (3, 5, 9)]
    answers = training_answers(problem, points)
    found = read_instances(written(tmp_path, format_instances(problem, points, answers)), problem)
    assert [one.points.tolist() for one in found] == [one.tolist() for one in points]
    assert [one.answer.tolist() for one in found] == [one.tolist() for one in answers]


def test_instances_are_written_as_in_the_published_files() -> None:
    points = [np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]])]
    answers = [np.array([0, 1, 2])]
    assert format_instances(HULL, points, answers) == "0.0 0.0 1.0 0.0 0.5 1.0 output 1 2 3 1\n"


def test_published_hulls_are_ours(real_data: Path) -> None:
    path = real_data / "planning" / "convex_hull_5" / "convex_hull_5_test.txt"
    instances = read_instances(path, HULL)
    assert len(instances) == 10_000
    exact = training_answers(HULL, [one.points for one in instances])
    same = [np.array_equal(one.answer, hull) for one, hull in zip(instances, exact, strict=True)]
    assert np.mean(same) == 1.0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0 0 1 0 1 output 1 2", "line 2: 5 numbers before 'output' are no whole points"),
        ("0 0 1 x 1 1 output 1 2 3", "line 2: 'x' is no number; an instance is a line of numbers"),
        ("0,0 1,1 1,0", "line 2: '0,0' is no number; an instance is a line of numbers parted by"),
        ("0 0 1 0 1 1 output 1 2 x", "line 2: 'x' after 'output' is not the number of a point"),
        ("0 0 1 0 1 nan output 1 2 3", "line 2, point 3: the coordinates must be finite"),
        ("0 0 1 0 1 0 output 1 2 3", "line 2, point 3: the same point as point 2"),
        (f"{SQUARE} 1 2 6 1", "line 2: the numbers after 'output' must be from 1 to 5"),
        (f"{SQUARE} 1 2 3 2 1", "line 2: the answer names a point twice"),
        (f"{SQUARE} 1 2 1", "line 2: the answer is no polygon"),
        ("0 0 1 0 output 1 2 1", "line 2 has 2 points; convex-hull needs at least 3"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, told: str) -> None:
    path = written(tmp_path, f"{SQUARE} 1 2 3 4 1\n{line}\n")
    with pytest.raises(DataError, match=told):
        read_instances(path, HULL)


def test_a_line_without_an_answer_is_an_instance(tmp_path: Path) -> None:
    (instance,) = read_instances(written(tmp_path, "0 0 1 0 1 1\n"), HULL)
    assert instance.answer is None


def test_points_are_read_with_or_without_names(tmp_path: Path) -> None:
    rows = "10,-3\n 1e3, 4.5\n\n7,7\n"
    expected = [[10.0, -3.0], [1000.0, 4.5], [7.0, 7.0]]
    assert read_points(written(tmp_path, rows), HULL).tolist() == expected
    assert read_points(written(tmp_path, f"x,y\n{rows}"), HULL).tolist() == expected


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("0,0\n1,1\n", "has 2 points; convex-hull needs at least 3"),
        ("", "has 0 points"),
        ("0,0\n1,nan\n2,2\n", "line 2: a coordinate must be a finite number, got 'nan'"),
        ("0,0\n1,inf\n2,2\n", "line 2: a coordinate must be a finite number, got 'inf'"),
        ("x,y\n0,0\n1,two\n2,2\n", "line 3: a coordinate must be a finite number, got 'two'"),
        ("0,0\n1,2\n0,0\n", "line 3: the same point as line 1"),
        (
            "0,0\n1,2,3\n4,5\n",
            "line 2: a point of convex-hull has 2 coordinates and nothing else, got 3 columns",
        ),
        ("0,0\n1,1\n2,2\n", "all points lie on one line"),
        ("-1e308,0\n1e308,0\n0,1\n", "the points lie too far apart"),
    ],
)
def test_bad_points_are_refused_with_reason_and_line(tmp_path: Path, rows: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_points(written(tmp_path, rows), HULL)


def test_points_of_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        read_points(tmp_path / "none.csv", HULL)


def test_tsplib_is_read_with_its_best_known_length(tmp_path: Path) -> None:
    written(tmp_path, "other : 7\ntiny : 14\n", "solutions")
    instance = read_tsplib(written(tmp_path, TSPLIB, "tiny.tsp"))
    assert (instance.name, instance.length) == ("tiny", 14)
    assert instance.length_of(np.arange(4)) == 3 + 4 + 3 + 4


@pytest.mark.parametrize(
    ("kind", "told"),
    [("EXPLICIT", "got EXPLICIT; a planner reads points, not a table of"), ("XRAY1", "got XRAY1")],
)
def test_tsplib_of_other_distances_is_refused(tmp_path: Path, kind: str, told: str) -> None:
    path = written(tmp_path, TSPLIB.replace("EUC_2D", kind), "tiny.tsp")
    with pytest.raises(DataError, match=f"must be one of EUC_2D, CEIL_2D, ATT, GEO, {told}"):
        read_tsplib(path)


@pytest.mark.parametrize(
    ("name", "kind", "length"),
    [("pcb442", "EUC_2D", 221_440), ("att532", "ATT", 309_636), ("gr666", "GEO", 423_710)],
)
def test_the_tour_in_the_order_of_the_file_is_as_long_as_tsplib_says(
    real_data: Path, name: str, kind: str, length: int
) -> None:
    """Reinelt 1995 gives these three lengths to verify distances by."""
    instance = read_tsplib(real_data / "planning" / "tsplib" / f"{name}.tsp")
    assert instance.kind == kind
    assert instance.length_of(np.arange(len(instance.points))) == length


def test_a_distance_is_rounded_up_where_the_file_says_so(tmp_path: Path) -> None:
    square = TSPLIB.replace("EUC_2D", "CEIL_2D")
    instance = read_tsplib(written(tmp_path, square, "tiny.tsp"))
    assert instance.length_of(np.arange(4)) == 4 + 4 + 4 + 4
    assert instance.length_of(np.array([0, 2, 1, 3])) == 6 + 4 + 6 + 4


def test_on_a_map_of_a_geographical_instance_neighbours_are_neighbours(real_data: Path) -> None:
    instance = read_tsplib(real_data / "planning" / "tsplib" / "ulysses16.tsp")
    pairs = np.array(list(itertools.combinations(range(16), 2)))
    on_map = np.linalg.norm(instance.points[pairs[:, 0]] - instance.points[pairs[:, 1]], axis=1)
    by_rule = [instance.length_of(pair) / 2 for pair in pairs]
    assert np.corrcoef(on_map, by_rule)[0, 1] > 0.999


def test_a_tour_beside_an_instance_is_its_best_known(tmp_path: Path) -> None:
    path = written(tmp_path, TSPLIB, "tiny.tsp")
    tour = "NAME: tiny.opt.tour\nTYPE: TOUR\nDIMENSION: 4\nTOUR_SECTION\n1\n2\n3\n4\n-1\nEOF\n"
    written(tmp_path, tour, "tiny.opt.tour")
    assert read_tsplib(path).length == 14
    written(tmp_path, "tiny : 13\n", "solutions")
    assert read_tsplib(path).length == 13
    written(tmp_path, tour.replace("4\n-1", "3\n-1"), "tiny.opt.tour")
    with pytest.raises(DataError, match=r"tiny.opt.tour: expected a TOUR_SECTION .* from 1 to 4"):
        read_tsplib(path)


def test_tsplib_with_missing_points_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, TSPLIB.replace("DIMENSION: 4", "DIMENSION: 5"), "tiny.tsp")
    with pytest.raises(DataError, match="DIMENSION is 5, but it holds 4 points"):
        read_tsplib(path)
