"""A trained planner with its folder: it plans, and it is judged."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.data.planning.fixed_instances import instances_to_test
from ostinato.data.planning.heuristics import farthest_insertion, nearest_neighbour
from ostinato.data.planning.instance_file import Instance, read_instances
from ostinato.data.planning.labels import best_answers, how_good
from ostinato.data.planning.problems import Answer, Points, refuse_bad_points, to_unit_square
from ostinato.data.planning.tsplib import read_tsplib
from ostinato.errors import SettingsError
from ostinato.models.pointer_network import PointerNetwork
from ostinato.tasks.planning.answering import Answering
from ostinato.tasks.planning.evaluation import evaluate, predict
from ostinato.tasks.planning.settings import PlanningSettings, sizes_of
from ostinato.tasks.trained_run import TrainedRun
from ostinato.training import Observer


class PlanningRun(TrainedRun[PlanningSettings]):
    """A trained run: its planner and folder.

    Made by `ostinato.train_planning` and `ostinato.load_planner`.

    Args:
        folder: the run's folder.
        settings: as it was trained with.
        network: with the run's best weights.
    """

    def __init__(self, folder: Path, settings: PlanningSettings, network: PointerNetwork) -> None:
        super().__init__(folder, settings)
        self.network = network
        self.problem = settings.kind

    def plan(
        self,
        points: Sequence[Sequence[float]] | Points,
        *,
        samples: int | None = None,
        beam_size: int | None = None,
        seed: int = 0,
    ) -> Answer:
        """The answer to one instance: row numbers counted from 0.

        Args:
            points: (points, coordinates), at any place and of any scale.
            samples, beam_size, seed: see `Answering`.

        Returns:
            Row numbers in order; of a triangulation a triangle a row.

        Raises:
            DataError: too few points, the same point twice, or a coordinate that is no number.
            SettingsError: samples and a beam at once.
        """
        given = np.asarray(points, dtype=np.float64).reshape(-1, self.problem.coordinates)
        places = [f"row {row}" for row in range(len(given))]
        refuse_bad_points(self.problem, given, places, "the points given")
        given, _ = to_unit_square(given)
        answering = Answering(samples, beam_size, seed)
        return predict(self.network, self.problem, [given], answering=answering)[0]

    def evaluate(
        self,
        data: Path | str | None = None,
        *,
        points: str | None = None,
        samples: int | None = None,
        beam_size: int | None = None,
        convex: bool = True,
        observer: Observer | None = None,
    ) -> dict[str, Any]:
        """The planner's figures; see `judge`. `best_from` says what it is compared with.

        Args:
            data: a file of instances in the format of Vinyals 2015. None: 1,000 fixed instances.
            points: of the fixed instances, as "15-20". None: as many as the run was trained on.
            samples, beam_size: see `Answering`.
            convex: of hulls, answer with convex polygons only. False: with any distinct points, as
                Vinyals 2015 did; some answers may then not be valid.
            observer: hears how far it is; None: nobody does.
        """
        observer = observer or Observer()
        answering = Answering(samples, beam_size, convex=convex)
        if data is None:
            instances, best_from = self._fixed(points, observer)
        else:
            instances, best_from = self._read(Path(data))
        figures = evaluate(
            self.network,
            self.problem,
            instances,
            answering=answering,
            progress=observer.evaluated,
        )
        return {**figures, "best_from": best_from}

    def evaluate_tsplib(
        self, path: Path | str, *, samples: int | None = None, beam_size: int | None = None
    ) -> dict[str, float | None]:
        """A tour through an instance of TSPLIB, as TSPLIB measures it, beside the best known.

        And beside two simple rules. What only the best known length tells is None without it. A
        planner and the two rules plan in the plane, see `as_plane`, whatever the distances.
        """
        if self.problem.name != "tsp":
            raise SettingsError(f"{path} is an instance of tsp; this run plans {self.problem.name}")
        instance = read_tsplib(Path(path))
        answering = Answering(samples, beam_size)
        (tour,) = predict(self.network, self.problem, [instance.points], answering=answering)
        length, known = instance.length_of(tour), instance.length
        valid = np.array_equal(np.sort(tour), np.arange(len(instance.points)))
        near, far = (
            instance.length_of(rule(instance.points[None])[0])
            for rule in (nearest_neighbour, farthest_insertion)
        )
        return {
            "accuracy": None if known is None else float(length <= known),
            "length": length,
            "optimality_gap": None if known is None else length / known - 1,
            "valid": float(valid),
            "instances": 1,
            "points": len(instance.points),
            "best_length": known,
            "nearest_neighbour_length": near,
            "farthest_insertion_length": far,
        }

    def _fixed(self, points: str | None, observer: Observer) -> tuple[list[Instance], str]:
        """The instances, and where their answers are from."""
        sizes = self.settings.sizes if points is None else sizes_of(points, self.problem)
        instances = instances_to_test(
            self.problem, sizes, cache=self.settings.cache_dir, tell=observer.noted
        )
        return instances, how_good(self.problem, sizes[1])

    def _read(self, data: Path) -> tuple[list[Instance], str]:
        """As `_fixed`, of a file; answers that it lacks are found."""
        instances = read_instances(data, self.problem)
        unanswered = [instance.points for instance in instances if instance.answer is None]
        if not unanswered:
            return instances, f"as {data.name} has them"
        answers = iter(best_answers(self.problem, unanswered))
        best_from = how_good(self.problem, max(map(len, unanswered)))
        if len(unanswered) < len(instances):
            best_from = f"as {data.name} has them; where it has none, {best_from}"
        return [
            Instance(points, next(answers) if answer is None else answer)
            for points, answer in instances
        ], best_from
