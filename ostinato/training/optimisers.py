"""The optimisers by name, and how their state goes into a checkpoint."""

from typing import Any

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError

OPTIMISERS = ("adamw", "sgd", "asgd")


def build_optimiser(
    model: nn.Module,
    name: str,
    *,
    learning_rate: float,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
) -> torch.optim.Optimizer:
    """An optimiser over the model's parameters.

    Args:
        model: whose parameters are trained; vectors (biases, gains) are not decayed.
        name: "adamw" (Loshchilov 2019), "sgd", or "asgd": SGD whose weights are averaged after a
            non-monotone trigger (Merity 2017; see `Averaging`).
        learning_rate: of the first update, before the schedule.
        weight_decay: decoupled for adamw, an L2 penalty for the others.
        momentum: of sgd and asgd; adamw has its own and refuses it.

    Raises:
        SettingsError: an unknown name, a rate that is not positive, momentum for adamw.
    """
    if name not in OPTIMISERS:
        raise SettingsError(f"optimiser must be one of {', '.join(OPTIMISERS)}, got {name!r}")
    if not learning_rate > 0:
        raise SettingsError(f"learning_rate must be greater than 0, got {learning_rate}")
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if name == "adamw":
        if momentum:
            raise SettingsError("adamw has its own momentum; leave momentum at 0")
        return torch.optim.AdamW(groups, lr=learning_rate)
    return torch.optim.SGD(groups, lr=learning_rate, momentum=momentum)


def optimiser_state(optimiser: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The optimiser's state as named tensors, and the rest as JSON can hold it."""
    state = optimiser.state_dict()
    tensors, rest = {}, {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            key = f"{index}.{name}"
            if isinstance(value, Tensor):
                tensors[key] = value
            else:
                rest[key] = value
    return tensors, rest


def load_optimiser_state(
    optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor], rest: dict[str, Any]
) -> None:
    """Go on from what `optimiser_state` gave; rates and the like stay as they were built."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **rest}.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
