"""All that a run needs to go on: taken apart into tensors and JSON, and put together again."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ostinato.checkpoint import Checkpoint
from ostinato.errors import CheckpointError
from ostinato.state import map_state, tensors
from ostinato.training.optimisers import load_optimiser_state, optimiser_state
from ostinato.training.plan import Optimisation
from ostinato.training.processes import Processes
from ostinato.training.random_state import random_state, set_random_state


@dataclass
class Place:
    """How far a run has come: updates done, place in the data, state to go on from, and marks.

    `rows` is the number of samples in the carried state; `best` the best validation so far and
    `waited` the validations since.
    """

    update: int = 0
    epoch: int = 0
    window: int = 0
    carried: Any = None
    best: float | None = None
    waited: int = 0


def take_snapshot(
    model: nn.Module, optimisation: Optimisation, place: Place, processes: Processes
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Tensors in groups, and what JSON can hold. Every process takes part; the first one saves."""
    optimiser_tensors, optimiser_rest = optimiser_state(optimisation.optimiser)
    mine = {"random": random_state(), "carried": _carried(place.carried)}
    everyone = processes.gather(mine)
    groups = {
        "model": {k: v for k, v in model.state_dict().items() if isinstance(v, Tensor)},
        "optimiser": optimiser_tensors,
        "random": _by_rank(everyone, "random"),
        "carried": _by_rank(everyone, "carried"),
    }
    content: dict[str, Any] = {
        "optimiser": optimiser_rest,
        "schedule": optimisation.schedule.state(),
        "place": {
            "update": place.update,
            "epoch": place.epoch,
            "window": place.window,
            "best": place.best,
            "waited": place.waited,
            "rows": tensors(place.carried)[0].shape[0] if mine["carried"] else None,
            "carries": place.carried is not None,
        },
        "world_size": processes.world_size,
    }
    if optimisation.averaging is not None:
        groups["averages"], content["averaging"] = optimisation.averaging.state()
    return {name: group for name, group in groups.items() if group}, content


def restore_snapshot(
    checkpoint: Checkpoint, objective: Any, optimisation: Optimisation, processes: Processes
) -> Place:
    """Put everything back, bit for bit.

    Raises:
        CheckpointError: the run had another number of processes.
    """
    content = checkpoint.manifest
    if content["world_size"] != processes.world_size:
        raise CheckpointError(
            f"this run has {content['world_size']} processes and there are "
            f"{processes.world_size} now; start it under torchrun with the same number"
        )
    groups = checkpoint.tensors
    objective.model.load_state_dict(groups["model"])
    load_optimiser_state(optimisation.optimiser, groups.get("optimiser", {}), content["optimiser"])
    optimisation.schedule.load(content["schedule"])
    if optimisation.averaging is not None:
        optimisation.averaging.load(groups.get("averages", {}), content["averaging"])
    place = content["place"]
    carried = _restored_state(groups.get("carried", {}), objective, place, processes.rank)
    set_random_state(_of_rank(groups["random"], processes.rank))
    return Place(
        place["update"], place["epoch"], place["window"], carried, place["best"], place["waited"]
    )


def _carried(state: Any) -> dict[str, Tensor]:
    parts = [] if state is None else tensors(state)
    return {str(index): part.detach().cpu() for index, part in enumerate(parts)}


def _restored_state(
    stored: dict[str, Tensor], objective: Any, place: dict[str, Any], rank: int
) -> Any:
    if not place["carries"]:
        return None
    if place["rows"] is None:
        return objective.initial_state(1)
    like = objective.initial_state(place["rows"])
    parts = iter(stored[f"{rank}.{index}"] for index in range(len(tensors(like))))
    return map_state(lambda old: next(parts).to(old.device), like)


def _of_rank(stored: dict[str, Tensor], rank: int) -> dict[str, Tensor]:
    start = f"{rank}."
    return {name.removeprefix(start): t for name, t in stored.items() if name.startswith(start)}


def _by_rank(everyone: list[dict[str, dict[str, Tensor]]], group: str) -> dict[str, Tensor]:
    return {
        f"{rank}.{name}": tensor
        for rank, one in enumerate(everyone)
        for name, tensor in one[group].items()
    }
