"""The state of every random generator that a training run may draw from, as tensors."""

import json
import random
from typing import Any

import numpy
import torch
from torch import Tensor


def random_state() -> dict[str, Tensor]:
    """The generators of torch, its GPU, Python and numpy, each as bytes in a tensor."""
    kind, keys, position, has_gauss, gauss = numpy.random.get_state(legacy=True)
    state = {
        "torch": torch.get_rng_state(),
        "python": _as_bytes(random.getstate()),
        "numpy": _as_bytes([kind, numpy.asarray(keys).tolist(), position, has_gauss, gauss]),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Tensor]) -> None:
    """Go on from what `random_state()` gave."""
    torch.set_rng_state(state["torch"])
    if "python" in state:
        version, internal, gauss = _from_bytes(state["python"])
        random.setstate((version, tuple(internal), gauss))
    if "numpy" in state:
        numpy.random.set_state(tuple(_from_bytes(state["numpy"])))
    if torch.cuda.is_available() and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])


def _as_bytes(value: Any) -> Tensor:
    return torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)


def _from_bytes(tensor: Tensor) -> Any:
    return json.loads(bytes(tensor.tolist()))
