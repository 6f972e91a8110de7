"""Planners at the command line: train, plan, judge, go on, and what is refused."""

import json
from pathlib import Path

import pytest

from ostinato.cli.main import main

SMALL = [
    *("--points", "4-6", "--hidden-size", "8", "--batch-size", "8", "--updates", "4"),
    *("--validation-instances", "10", "--threads", "1", "--workers", "0", "--device", "cpu"),
]
SQUARE = "x,y\n0,0\n100,0\n100,90\n0,90\n40,50\n"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def trained(problem: str, folder: Path, cache: Path, *more: str) -> Path:
    options = ["--problem", problem, *SMALL, "--run", str(folder), "--cache-dir", str(cache)]
    assert main(["train", "planning", *options, *more]) == 0
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A folder with a run of every problem, by its name."""
    folder = tmp_path_factory.mktemp("runs")
    for problem in ("convex-hull", "delaunay", "tsp", "sort"):
        trained(problem, folder / problem, cache)
    return folder


@pytest.fixture
def square(tmp_path: Path) -> Path:
    path = tmp_path / "square.csv"
    path.write_text(SQUARE)
    return path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 2
    return capsys.readouterr().err


def test_a_tour_is_every_row_once_one_a_line(runs: Path, square: Path, capsys) -> None:
    lines = printed(capsys, "plan", str(runs / "tsp"), str(square)).split("\n")
    assert lines[0] == "0"
    assert sorted(lines) == ["", "0", "1", "2", "3", "4"]


def test_a_hull_is_rows_from_the_lowest(runs: Path, square: Path, capsys) -> None:
    rows = [int(r) for r in printed(capsys, "plan", str(runs / "convex-hull"), str(square)).split()]
    assert rows[0] == min(rows)
    assert len(set(rows)) == len(rows) >= 3


def test_a_triangulation_is_three_rows_a_line(runs: Path, square: Path, capsys) -> None:
    lines = printed(capsys, "plan", str(runs / "delaunay"), str(square)).splitlines()
    rows = [tuple(map(int, line.split())) for line in lines]
    assert all(i < j < k < 5 for i, j, k in rows)
    assert rows == sorted(rows)


def test_the_best_of_several_drawn_answers_is_repeatable(runs: Path, square: Path, capsys) -> None:
    call = ("plan", str(runs / "tsp"), str(square), "--samples", "5", "--seed", "3")
    assert printed(capsys, *call) == printed(capsys, *call)


def test_a_beam_of_one_prints_the_greedy_answer(runs: Path, square: Path, capsys) -> None:
    for problem in ("tsp", "convex-hull", "delaunay"):
        call = ("plan", str(runs / problem), str(square))
        assert printed(capsys, *call, "--beam-size", "1") == printed(capsys, *call)


def test_a_beam_gives_a_tour_through_every_row(runs: Path, square: Path, capsys) -> None:
    lines = printed(capsys, "plan", str(runs / "tsp"), str(square), "--beam-size", "4").split()
    assert sorted(lines) == ["0", "1", "2", "3", "4"]


def test_samples_and_a_beam_at_once_are_refused(runs: Path, square: Path, capsys) -> None:
    call = ("plan", str(runs / "tsp"), str(square), "--beam-size", "2", "--samples", "2")
    assert "give --samples or --beam-size, not both" in refused(capsys, *call)


def test_other_numbers_of_points_than_trained_on_are_told(
    runs: Path, tmp_path: Path, capsys
) -> None:
    path = tmp_path / "eight.csv"
    path.write_text("".join(f"{n},{n * n % 7}\n" for n in range(8)))
    assert main(["plan", str(runs / "tsp"), str(path)]) == 0
    assert "this planner was trained on 4 to 6 points, not on 8" in capsys.readouterr().err


def test_a_picture_is_drawn_beside(runs: Path, square: Path, tmp_path: Path, capsys) -> None:
    picture = tmp_path / "pictures" / "tour.png"
    assert main(["plan", str(runs / "tsp"), str(square), "--figure", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert str(picture) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("problem", "measure"),
    [("convex-hull", "area"), ("delaunay", "coverage"), ("tsp", "length"), ("sort", "in_place")],
)
def test_evaluate_prints_one_line_of_json(runs: Path, problem: str, measure: str, capsys) -> None:
    (line,) = printed(capsys, "evaluate", str(runs / problem), "--json").splitlines()
    keys = {"accuracy", measure, "optimality_gap", "valid", "instances"}
    assert keys <= set(json.loads(line))
    assert json.loads(line)["instances"] == 1000
    assert json.loads(line)["valid"] == 1.0  # though hardly trained


def test_between_many_points_triangles_that_may_overlap_are_told(
    runs: Path, tmp_path: Path, capsys
) -> None:
    path = tmp_path / "many.csv"
    path.write_text("".join(f"{n},{n * n % 103}\n" for n in range(101)))
    assert main(["plan", str(runs / "delaunay"), str(path)]) == 0
    assert "triangles between more than 100 points may overlap" in capsys.readouterr().err


def test_evaluate_shows_simple_rules_beside_a_tour(runs: Path, capsys) -> None:
    page = printed(capsys, "evaluate", str(runs / "tsp"))
    assert "best answers: exact" in page
    assert "best known tours: mean length" in page
    assert "farthest insertion: mean length" in page
    assert "nearest neighbour: mean length" in page


def test_evaluate_takes_more_points_than_trained_on_and_a_beam(runs: Path, capsys) -> None:
    call = ("evaluate", str(runs / "sort"), "--points", "7-9", "--beam-size", "2", "--json")
    figures = json.loads(printed(capsys, *call))
    assert (figures["instances"], figures["valid"]) == (1000, 1.0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--points", "2"), "tsp needs at least 3 points, got 2"),
        (("--points", "9-x"), "points must be a number or fewest-most"),
        (("--points", "9", "--data", "some.txt"), "give --data or --points, not both"),
    ],
)
def test_points_that_cannot_be_judged_by_are_refused(
    runs: Path, options: tuple[str, ...], told: str, capsys
) -> None:
    assert told in refused(capsys, "evaluate", str(runs / "tsp"), *options)


def test_evaluate_reads_a_file_of_instances(runs: Path, tmp_path: Path, capsys) -> None:
    path = tmp_path / "hulls.txt"
    path.write_text("0 0 1 0 1 1 0 1 0.5 0.4 output 1 2 3 4 1\n0 0 1 0 0 1\n")
    call = ("evaluate", str(runs / "convex-hull"), "--data", str(path), "--json")
    figures = json.loads(printed(capsys, *call))
    assert figures["instances"] == 2
    assert figures["best_from"] == "as hulls.txt has them; where it has none, exact"


def test_tours_that_a_heuristic_found_are_named_as_such(runs: Path, tmp_path: Path, capsys) -> None:
    path = tmp_path / "tours.txt"
    path.write_text(" ".join(f"{n} {n * n % 53}" for n in range(51)))
    page = printed(capsys, "evaluate", str(runs / "tsp"), "--data", str(path))
    assert "best answers: best known (fast-tsp, a heuristic, above 50 points)" in page


def test_tours_to_learn_from_that_need_not_be_the_shortest_are_told(
    tmp_path: Path, cache: Path, capsys
) -> None:
    trained("tsp", tmp_path / "run", cache, "--points", "14", "--updates", "1")
    assert "good tours (2-opt and Or-opt, a heuristic, above 13 points)" in capsys.readouterr().err


def test_evaluate_reads_an_instance_of_tsplib(runs: Path, real_data: Path, capsys) -> None:
    path = real_data / "planning" / "tsplib" / "berlin52.tsp"
    figures = json.loads(
        printed(capsys, "evaluate", str(runs / "tsp"), "--data", str(path), "--json")
    )
    assert figures["best_length"] == 7542
    assert figures["length"] > 7542
    assert (figures["accuracy"], figures["valid"], figures["points"]) == (0.0, 1.0, 52)
    assert 7542 < figures["farthest_insertion_length"] < figures["nearest_neighbour_length"]


def test_an_instance_of_tsplib_without_a_known_length_is_judged_without_it(
    runs: Path, tmp_path: Path, capsys
) -> None:
    path = tmp_path / "three.tsp"
    head = "DIMENSION : 3\nEDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n"
    path.write_text(head + "1 0 0\n2 0 3\n3 4 0\nEOF\n")
    page = printed(capsys, "evaluate", str(runs / "tsp"), "--data", str(path))
    assert "mean length 12, 100.0% valid" in page
    assert "best known" not in page


def test_points_far_away_and_of_any_size_are_planned_with_as_near_ones(
    runs: Path, tmp_path: Path, capsys, recwarn
) -> None:
    run, near, far = str(runs / "convex-hull"), tmp_path / "near.csv", tmp_path / "far.csv"
    rows = [(0, 0), (8, 1), (7, 9), (1, 6), (4, 4)]
    near.write_text("".join(f"{x},{y}\n" for x, y in rows))
    far.write_text("".join(f"{x * 2.0**900},{(y + 2**40) * 2.0**900}\n" for x, y in rows))
    assert printed(capsys, "plan", run, str(far)) == printed(capsys, "plan", run, str(near))
    assert [str(warning.message) for warning in recwarn] == []


def test_resume_finds_that_a_run_is_of_planning(runs: Path, capsys) -> None:
    assert main(["resume", str(runs / "sort")]) == 0
    told = capsys.readouterr()
    assert "training: 0 updates after 4 done before" in told.err
    assert "ostinato plan" in told.out


def test_runs_lists_planners(runs: Path, capsys) -> None:
    page = printed(capsys, "runs", str(runs))
    assert "planning" in page
    assert "% exact" in page


def test_training_by_rewards_watches_the_length(tmp_path: Path, cache: Path, capsys) -> None:
    trained("tsp", tmp_path / "run", cache, "--train-with", "rewards")
    assert "validation length" in capsys.readouterr().err


def test_several_seeds_end_with_their_mean(tmp_path: Path, cache: Path, capsys) -> None:
    trained("sort", tmp_path / "run", cache, "--seeds", "2")
    assert "validation accuracy of 2 runs: mean" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("0,0\n1,1\n", "needs at least 3"),
        ("0,0\n1,nan\n2,2\n", "line 2: a coordinate must be a finite number"),
        ("0,0\n1,2\n0,0\n", "line 3: the same point as line 1"),
        ("x,y\n0,0\na,b\n2,2\n", "line 3: a coordinate must be a finite number, got 'a'"),
        ("x,y\na,b\n2,2\n", "line 2: a coordinate must be a finite number, got 'a'"),
        ("0;0\n1;2\n3;1\n", "line 1: coordinates are separated by a comma, as 0,0"),
        ("name,x,y\na,1,2\n", "line 2: a point of tsp has 2 coordinates and nothing else, got 3"),
    ],
)
def test_bad_points_are_refused(runs: Path, tmp_path: Path, rows: str, told: str, capsys) -> None:
    path = tmp_path / "points.csv"
    path.write_text(rows)
    assert told in refused(capsys, "plan", str(runs / "tsp"), str(path))


def test_a_picture_of_another_kind_is_refused(runs: Path, square: Path, capsys) -> None:
    call = ("plan", str(runs / "tsp"), str(square), "--figure", "tour.pdf")
    assert "--figure writes PNG" in refused(capsys, *call)


def test_sorted_numbers_have_no_picture(runs: Path, tmp_path: Path, capsys) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("3\n1\n2\n")
    call = ("plan", str(runs / "sort"), str(path), "--figure", str(tmp_path / "out.png"))
    assert "sorted numbers have no picture" in refused(capsys, *call)


def test_options_of_text_are_refused(runs: Path, capsys) -> None:
    told = refused(capsys, "evaluate", str(runs / "tsp"), "--part", "test")
    assert "--part is not for runs of planning" in told


def test_points_are_for_planners_alone(runs: Path, tmp_path: Path, cache: Path, capsys) -> None:
    run = trained("sort", tmp_path / "run", cache)
    record = run / "run.json"
    record.write_text(record.read_text().replace("planning", "tagging"))
    told = refused(capsys, "evaluate", str(run), "--points", "9")
    assert "--points is for runs of planning alone" in told


def test_a_problem_is_needed(capsys) -> None:
    assert main(["train", "planning"]) == 2
    assert "problem" in capsys.readouterr().err


def test_an_unknown_task_is_named(runs: Path, tmp_path: Path, cache: Path, capsys) -> None:
    run = trained("sort", tmp_path / "run", cache)
    record = run / "run.json"
    record.write_text(record.read_text().replace("planning", "weaving"))
    assert "holds a run of 'weaving'" in refused(capsys, "evaluate", str(run))
