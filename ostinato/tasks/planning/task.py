"""Planning with pointer networks: hulls, triangulations, tours, sorting.

The names that every task has: `Settings`, `prepare`, `build`, `evaluate`, `predict`.
"""

import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ostinato.data.planning.batches import PlanningBatch, make_batch
from ostinato.data.planning.examples import COMPARISON, ExampleSource, draw_instances
from ostinato.data.planning.fixed_instances import instances_to_validate
from ostinato.data.planning.labels import how_good_in_training
from ostinato.errors import SettingsError
from ostinato.layers import GRU, LSTM, RNN
from ostinato.models.attention_pointing import AttentionPointing
from ostinato.models.pointer_network import PointerNetwork
from ostinato.models.pointing_rules import rules_to_learn
from ostinato.models.recurrent_pointing import RecurrentPointing
from ostinato.models.transformer_pointing import TransformerPointing
from ostinato.tasks.planning.evaluation import evaluate, network_of, predict, validation
from ostinato.tasks.planning.folder import describe, fingerprint, settings_of
from ostinato.tasks.planning.objectives import LabelObjective, PlannerToBeat, RewardObjective
from ostinato.tasks.planning.run import PlanningRun
from ostinato.tasks.planning.settings import PlanningSettings
from ostinato.tasks.run_folder import refuse_unusable_folder
from ostinato.tasks.training_run import (
    begin_folder,
    build_trainer,
    load_trained,
    settings_elsewhere,
    take_part,
    train_to_the_end,
)
from ostinato.training import Journal, Observer, choose_device
from ostinato.training.processes import Processes

__all__ = [
    "PlanningRun",
    "Settings",
    "build",
    "evaluate",
    "load_planner",
    "predict",
    "prepare",
    "resume",
    "train",
    "train_planning",
]

Settings = PlanningSettings

_CELLS = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
_OF_BLOCKS = {"attention": (AttentionPointing, 10.0), "transformer": (TransformerPointing, None)}
"""Models of blocks, and how their scores are clipped where the person does not say."""
_COMPARISONS = 2000
_COMPARISON_BATCH = 500


def prepare(settings: PlanningSettings, processes: Processes | None = None) -> ExampleSource:
    """What the examples of a run come from."""
    processes = processes or Processes()
    return ExampleSource(
        settings.kind,
        *settings.sizes,
        settings.batch_size,
        settings.epoch_size,
        seed=settings.seed,
        labelled=settings.train_with == "labels",
        rank=processes.rank,
        world_size=processes.world_size,
    )


def build(settings: PlanningSettings) -> PointerNetwork:
    """The planner that the settings describe, its weights drawn anew."""
    coordinates, size = settings.kind.coordinates, settings.hidden_size
    if settings.model in _OF_BLOCKS:
        pointing, clip = _OF_BLOCKS[settings.model]
        return PointerNetwork(
            pointing(
                coordinates,
                size,
                blocks=settings.blocks,
                heads=settings.heads,
                dropout=settings.dropout,
                clip=settings.clip_scores or clip,
            )
        )
    kind = _CELLS[settings.cell]
    encoder, decoder = (
        kind(coordinates, size, settings.layers, dropout=settings.dropout) for _ in range(2)
    )
    options = {"glimpses": settings.glimpses, "clip": settings.clip_scores}
    return PointerNetwork(RecurrentPointing(encoder, decoder, size, **options))


def train(settings: PlanningSettings, observer: Observer | None = None) -> PlanningRun:
    """Train a planner from the start.

    Raises:
        SettingsError: something in the settings.
        TrainingError: NaN or infinity on the way.
        Interrupted: stopped by a signal, after a checkpoint.
    """
    observer = observer or Observer()
    refuse_unusable_folder(settings.run)
    with take_part(settings) as (processes, device):
        model = _model(settings, device, fresh=True)
        source = prepare(settings, processes)
        _tell_labels(settings, observer)
        _tell_pace(source, observer)  # Refuses a missing extra before a folder is made.
        folder = begin_folder(
            settings.run,
            f"planning-{settings.problem}",
            processes,
            lambda folder: describe(folder, settings),
        )
        torch.manual_seed(settings.seed + processes.rank)
        return _train(folder, settings, model, source, processes, observer, resume=False)


def resume(
    folder: Path | str,
    *,
    device: str | None = None,
    threads: int | None = None,
    workers: int | None = None,
    observer: Observer | None = None,
) -> PlanningRun:
    """Go on with a run that was stopped; it ends as if it had never been.

    Args:
        folder: the run's folder.
        device, threads, workers: other than the run's own; None: the same.
        observer: hears of everything that happens.
    """
    observer = observer or Observer()
    folder = Path(folder)
    settings = settings_of(folder)
    settings = settings_elsewhere(settings, device, threads, workers)
    with take_part(settings) as (processes, where):
        model = _model(settings, where, fresh=Journal(folder).find() is None)
        source = prepare(settings, processes)
        torch.manual_seed(settings.seed + processes.rank)
        return _train(folder, settings, model, source, processes, observer, resume=True)


def load_planner(folder: Path | str, *, device: str = "auto") -> PlanningRun:
    """A run's best planner, ready to plan and to be judged.

    Raises:
        CheckpointError: there is no run of planning, or it has no checkpoint yet.
    """
    folder = Path(folder)
    settings = settings_of(folder)
    model = _with_one_to_beat(settings, build(settings))
    load_trained(model, folder)
    network = network_of(model).to(choose_device(device)).eval()
    return PlanningRun(folder, settings, network)


def train_planning(
    problem: str, *, observer: Observer | None = None, **settings: Any
) -> PlanningRun:
    """Train a planner: `train` with the settings as keywords.

    Args:
        problem: "convex-hull", "delaunay", "tsp" or "sort".
        observer: hears of everything that happens; None: nobody does.
        settings: the fields of `PlanningSettings`, as points="5-10" or updates=2000.

    Example:
        >>> run = ostinato.train_planning("tsp", points="10", updates=5000)  # doctest: +SKIP
        >>> run.plan([[0, 0], [9, 9], [9, 0], [0, 9]])  # doctest: +SKIP
        array([0, 2, 1, 3])
    """
    return train(PlanningSettings(problem=problem, **settings), observer)  # pyright: ignore[reportArgumentType]


def _model(settings: PlanningSettings, device: torch.device, *, fresh: bool) -> nn.Module:
    """What is trained: the planner, with rewards also the one to beat."""
    torch.manual_seed(settings.seed)
    network = build(settings)
    if fresh and settings.initial_weights is not None:
        _load_initial_weights(network, settings.initial_weights, settings)
    return _with_one_to_beat(settings, network).to(device)


def _with_one_to_beat(settings: PlanningSettings, network: PointerNetwork) -> nn.Module:
    return PlannerToBeat(network) if settings.train_with == "rewards" else network


def _load_initial_weights(network: PointerNetwork, run: Path, settings: PlanningSettings) -> None:
    """Start from the planner of another run, whatever it was trained with."""
    other = load_planner(run, device="cpu")
    names = ("problem", "model", "cell", "hidden_size", "layers", "blocks", "heads", "glimpses")
    differing = [
        f"{name} is {getattr(other.settings, name)} there and {getattr(settings, name)} here"
        for name in names
        if getattr(other.settings, name) != getattr(settings, name)
    ]
    if differing:
        raise SettingsError(
            f"--initial-weights {run}: that run's planner is not of the same kind and sizes as "
            f"this one: {'; '.join(differing)}; give the same model options"
        )
    network.load_state_dict(other.network.state_dict())


def _objective(settings: PlanningSettings, model: nn.Module) -> nn.Module:
    rules = rules_to_learn(settings.problem)
    if isinstance(model, PlannerToBeat):
        trained = settings.initial_weights is not None
        return RewardObjective(
            model, rules, lambda epoch: _comparisons(settings, epoch), trained=trained
        )
    return LabelObjective(network_of(model), rules)


def _comparisons(settings: PlanningSettings, epoch: int) -> list[PlanningBatch]:
    """Instances on which the planner is compared with the one to beat."""
    key = (COMPARISON, settings.seed, epoch)
    points = draw_instances(settings.kind, settings.sizes, _COMPARISONS, key)
    return [
        make_batch(settings.kind, points[start : start + _COMPARISON_BATCH])
        for start in range(0, _COMPARISONS, _COMPARISON_BATCH)
    ]


def _tell_labels(settings: PlanningSettings, observer: Observer) -> None:
    """What is learned from, where that is not the exact answer."""
    quality = how_good_in_training(settings.kind, settings.sizes[1])
    if settings.train_with == "labels" and quality != "exact":
        observer.noted(f"what is learned from, and validated on, are {quality}")


def _tell_pace(source: ExampleSource, observer: Observer) -> None:
    """How fast examples are made: where that is slower than training, more workers help."""
    epoch = source.epoch(0)
    epoch[0]  # what is imported now is not timed
    started = time.perf_counter()
    epoch[0]
    seconds = time.perf_counter() - started
    observer.noted(
        f"one process makes {source.batch_size / source.world_size / seconds:,.0f} examples a "
        f"second, enough for {1 / seconds:.1f} updates/s"
    )


def _train(
    folder: Path,
    settings: PlanningSettings,
    model: nn.Module,
    source: ExampleSource,
    processes: Processes,
    observer: Observer,
    *,
    resume: bool,
) -> PlanningRun:
    instances = instances_to_validate(settings.kind, settings.sizes, settings.validation_instances)
    trainer = build_trainer(
        settings,
        _objective(settings, model),
        source.epoch,
        Journal(folder, fingerprint(settings)),
        validate=validation(settings.kind, instances, with_labels=settings.train_with == "labels"),
        validation_updates=settings.validation_instances / settings.batch_size,
        observer=observer,
        processes=processes,
    )
    train_to_the_end(trainer, model, folder, settings, processes, observer, resume=resume)
    return PlanningRun(folder, settings, network_of(model).eval())
