"""`ostinato train planning` and `ostinato plan`; `resume` and `evaluate` of planners."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from pydantic import Field

from ostinato.cli.evaluate import EvaluateArguments, print_json
from ostinato.cli.figures import describe_figures, length
from ostinato.cli.parsing import Device, RunFolder, defaults_from_config, parse
from ostinato.cli.processes import is_first_process
from ostinato.cli.tasks_of_runs import refuse_options
from ostinato.cli.train import ResumeArguments
from ostinato.cli.trainings import print_means, print_outcome, print_places, train_seeds
from ostinato.errors import SettingsError
from ostinato.tasks.planning.settings import PlanningSettings
from ostinato.tasks.settings import CheckedModel

if TYPE_CHECKING:
    from ostinato.data.planning.problems import Answer
    from ostinato.tasks.planning.task import PlanningRun

PointsFile = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="POINTS.csv")]


class TrainPlanningArguments(PlanningSettings):
    """The settings of a planner, and where to take them from."""

    config: Path | None = Field(
        None, description="TOML file of settings, by their names; options here override it."
    )

    def settings(self) -> PlanningSettings:
        """The settings alone."""
        names = PlanningSettings.model_fields
        return PlanningSettings(**{name: getattr(self, name) for name in names})


class PlanArguments(CheckedModel):
    """A run, the points to plan with, and how."""

    run: RunFolder = Field(description="Folder of the run.")
    points: PointsFile = Field(
        description="A row a point, `x,y`, of any scale; a first row of names is passed over."
    )
    figure: Path | None = Field(
        None, description="PNG file to draw the points and both answers in. None: no picture."
    )
    samples: int | None = Field(
        None,
        ge=1,
        description="Draw so many answers and keep the best. None: one, greedily.",
    )
    beam_size: int | None = Field(
        None,
        ge=1,
        description="Unfinished answers kept at each step; of those that end the likeliest is "
        "given. None: one, greedily.",
    )
    seed: int = Field(0, ge=0, description="The same seed draws the same answers.")
    device: Device = "auto"


def train_planning(arguments: list[str]) -> None:
    """Train one planner, or one for each of several seeds, and tell what came of it."""
    options = parse(
        TrainPlanningArguments,
        arguments,
        command="train planning",
        description="Train a planner on examples made while training.",
        default=defaults_from_config(TrainPlanningArguments, PlanningSettings, arguments),
    )
    settings = options.settings()
    if settings.seeds > 1:
        best = train_seeds(settings, _train_one)
        print_means(best, ("accuracy", settings.kind.measure, "optimality_gap"))
    else:
        _report(_train_one(settings))


def plan(arguments: list[str]) -> None:
    """Print the answer to a person's own points."""
    options = parse(
        PlanArguments,
        arguments,
        command="plan",
        description="Let a run's planner answer to your own points: prints row numbers counted "
        "from 0, in order, one a line; of a triangulation a triangle a line.",
    )
    if options.figure is not None and options.figure.suffix.lower() != ".png":
        raise SettingsError(f"--figure writes PNG: name it OUT.png, not {options.figure.name}")
    if options.samples is not None and options.beam_size is not None:
        raise SettingsError("give --samples or --beam-size, not both: two ways to find one answer")
    from ostinato.data.planning.points_file import read_points
    from ostinato.tasks.planning import task as planning

    run = planning.load_planner(options.run, device=options.device)
    points = read_points(options.points, run.problem)
    _tell_of_other_sizes(run.settings, len(points))
    _tell_of_overlap(run.settings, len(points))
    answer = run.plan(
        points, samples=options.samples, beam_size=options.beam_size, seed=options.seed
    )
    _print_answer(answer)
    if options.figure is not None:
        from ostinato.tasks.planning.figure import draw_beside_best

        told = draw_beside_best(run.problem, points, answer, options.figure)
        print(f"{told}: {options.figure}", file=sys.stderr)


def resume_planning(options: ResumeArguments) -> None:
    """Go on with a planner."""
    refuse_options(options, "planning", "cell")
    from ostinato.cli.progress import watch_run
    from ostinato.tasks.planning import task as planning
    from ostinato.tasks.planning.folder import settings_of

    with watch_run(settings_of(options.run).unit) as observer:
        run = planning.resume(
            options.run,
            device=options.device,
            threads=options.threads,
            workers=options.workers,
            observer=observer,
        )
    _report(run)


def evaluate_planning(options: EvaluateArguments) -> None:
    """Print how well a planner plans."""
    refuse_options(options, "planning", "cell", "part", "figure", "source", "target")
    if len(options.data) > 1:
        raise SettingsError(f"give one file of instances, got {len(options.data)}")
    if options.data and options.points:
        raise SettingsError("give --data or --points, not both: a file has the points that it has")
    from ostinato.cli.progress import watch_run
    from ostinato.tasks.planning import task as planning

    data = options.data[0] if options.data else None
    with watch_run("pointer") as observer:
        run = planning.load_planner(options.run, device=options.device)
        if data is not None and data.endswith(".tsp"):
            figures = run.evaluate_tsplib(data, beam_size=options.beam_size)
        else:
            figures = run.evaluate(
                data, points=options.points, beam_size=options.beam_size, observer=observer
            )
    if options.json_line:
        print_json(figures)
        return
    print(f"{data or 'fixed instances'}: {describe_figures(figures)}")  # pyright: ignore[reportArgumentType]
    print(f"instances: {figures['instances']:,}")
    if "best_from" in figures:
        print(f"best answers: {figures['best_from']}")
    for name, words in _BESIDE.items():
        mean = figures.get(name)
        if mean is not None:
            print(f"{words}: mean length {length(mean)}")


_BESIDE = {
    "best_length": "best known tours",
    "farthest_insertion_length": "farthest insertion",
    "nearest_neighbour_length": "nearest neighbour",
}


def _tell_of_other_sizes(settings: PlanningSettings, points: int) -> None:
    """A planner answers to any number of points, but is at home with those it was trained on."""
    fewest, most = settings.sizes
    if not fewest <= points <= most:
        trained = f"{most}" if fewest == most else f"{fewest} to {most}"
        print(
            f"note: this planner was trained on {trained} points, not on {points}; its answer may "
            "be far from the best",
            file=sys.stderr,
        )


def _tell_of_overlap(settings: PlanningSettings, points: int) -> None:
    """Of many points, all triangles are too many to keep them apart."""
    from ostinato.models.pointing_rules import MOST_KEPT_APART

    if settings.problem == "delaunay" and points > MOST_KEPT_APART:
        print(
            f"note: triangles between more than {MOST_KEPT_APART} points may overlap",
            file=sys.stderr,
        )


def _print_answer(answer: "Answer") -> None:
    for row in answer.reshape(len(answer), -1).tolist():
        print(*row)


def _train_one(settings: PlanningSettings) -> "PlanningRun":
    from ostinato.cli.progress import watch_run
    from ostinato.tasks.planning import task as planning

    with watch_run(settings.unit) as observer:
        return planning.train(settings, observer)


def _report(run: "PlanningRun") -> None:
    """The figures, and where everything lies."""
    if not is_first_process():
        return
    print_outcome(run)
    print_places(run)
    print(f"plan:         ostinato plan {run.folder} POINTS.csv")
    print(f"judge:        ostinato evaluate {run.folder}")
