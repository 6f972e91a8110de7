"""Gradient clipping by norm or by value, against gradients that explode (Pascanu 2013)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError


@dataclass(frozen=True)
class Clipping:
    """How far a gradient may reach.

    Args:
        norm: the gradient of all parameters together is scaled down to this norm. None: not.
        value: each component is cut to -value .. value. None: not.
    """

    norm: float | None = None
    value: float | None = None

    def __post_init__(self) -> None:
        for name in ("norm", "value"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise SettingsError(f"clip_{name} must be greater than 0 or left out, got {limit}")

    def apply(self, parameters: Sequence[nn.Parameter]) -> tuple[Tensor, Tensor]:
        """Clip in place.

        Returns:
            The gradient's norm before clipping, and whether anything was clipped, both scalars.
        """
        gradients = [p.grad for p in parameters if p.grad is not None]
        before = torch.nn.utils.get_total_norm(gradients)
        clipped = torch.zeros((), dtype=torch.bool, device=before.device)
        if self.value is not None:
            clipped = torch.stack([(g.abs() > self.value).any() for g in gradients]).any()
            torch.nn.utils.clip_grad_value_(parameters, self.value)
        if self.norm is not None:
            now = before if self.value is None else torch.nn.utils.get_total_norm(gradients)
            clipped = clipped | (now > self.norm)
            # A gradient that is not finite stays as it is, so that the guard can name its place.
            now = torch.where(now.isfinite(), now, 0.0)
            torch.nn.utils.clip_grads_with_norm_(parameters, self.norm, now)
        return before, clipped
