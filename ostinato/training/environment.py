"""What must be the same for a resumed run to end bit for bit like one never interrupted."""

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import nn

_WORDS = {
    "ostinato": "version of Ostinato",
    "torch": "version of torch",
    "python": "version of Python",
    "threads": "number of threads",
    "vector_width": "vector width of the processor",
    "device": "device",
    "engines": "engines",
}


def describe_environment(device: torch.device, model: nn.Module) -> dict[str, Any]:
    """Versions, threads, vector width, device and engines, as kept in a checkpoint's manifest.

    The engines are those that the model's layers take in its present mode, where they can say it.
    """
    try:
        own = version("ostinato")
    except PackageNotFoundError:
        own = "not installed"
    name = device.type
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    return {
        "ostinato": own,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "vector_width": torch.backends.cpu.get_cpu_capability(),
        "device": name,
        "engines": _engines(model, device),
    }


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs, each in a few words; empty where a resumed run ends bit-identical."""
    return [
        f"{_WORDS.get(key, key)}: {before.get(key)} then, {now[key]} now"
        for key in now
        if key in before and before[key] != now[key]
    ]


def _engines(model: nn.Module, device: torch.device) -> list[str]:
    # Asking draws masks; the training's random numbers must not move by it.
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        return sorted(set(_named_engines(model)))


def _named_engines(model: nn.Module) -> Iterator[str]:
    for module in model.modules():
        choices = getattr(module, "engine_choices", None)
        if choices is not None:
            yield from (choice.engine for choice in choices())
