"""Where a run computes."""

from typing import Any

import torch
from torch import Tensor

from ostinato.errors import SettingsError


def choose_device(name: str) -> torch.device:
    """The device of this name; "auto" takes the GPU where there is one.

    Raises:
        SettingsError: the machine does not have it.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise SettingsError("device cuda was asked for, but torch finds no GPU; use cpu or auto")
    return torch.device(name)


def bfloat16_is_slow(device: torch.device) -> bool:
    """Whether bfloat16 costs far more time there than 32 bits.

    On an x86 processor without AVX-512 torch multiplies bfloat16 numbers one by one: matrices took
    20 to 80 times as long as in 32 bits (one thread, a processor with AVX2).
    """
    return device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()


def move_window(window: Any, device: torch.device) -> Any:
    """The window with its tensors on `device`; `counted` stays where the loop can look at it."""
    if device.type == "cpu":
        return window
    moved = {
        name: value.to(device, non_blocking=True)
        for name, value in window._asdict().items()
        if isinstance(value, Tensor) and name != "counted"
    }
    return window._replace(**moved)
