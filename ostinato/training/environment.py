"""What must be the same for a resumed run to end bit for bit like one never interrupted."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

_WORDS = {
    "ostinato": "version of Ostinato",
    "torch": "version of torch",
    "python": "version of Python",
    "threads": "number of threads",
    "vector_width": "vector width of the processor",
    "device": "device",
}


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Versions, threads, vector width and device, as kept in a checkpoint's manifest."""
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
    }


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs, each in a few words; empty where a resumed run ends bit-identical."""
    return [
        f"{_WORDS.get(key, key)}: {before.get(key)} then, {now[key]} now"
        for key in now
        if before.get(key) != now[key]
    ]
