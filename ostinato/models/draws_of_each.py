"""Draws for many series side by side, each as if it stood alone."""

import torch
from torch import Tensor

from ostinato.models.predictive import PredictiveHead


class DrawsOfEach:
    """Draws for each group of a batch from a generator of its own; all begin at one seed.

    So a group's draws do not depend on which others stand beside it, nor on how many. torch's own
    generators are left elsewhere than they were.

    Args:
        head: of the distributions.
        groups: of equal size, one after the other in the batch.
        seed: of each.
        device: where it is drawn.
    """

    def __init__(
        self, head: PredictiveHead, groups: int, seed: int, device: torch.device | str
    ) -> None:
        self.head, self.device = head, torch.device(device)
        torch.manual_seed(seed)
        self.generators = [self._generator()] * groups

    def __call__(self, parameters: Tensor) -> Tensor:
        """Values (batch, targets) of distributions with parameters (batch, targets, parameters)."""
        drawn = []
        for place, own in enumerate(parameters.chunk(len(self.generators))):
            self._set_generator(self.generators[place])
            drawn.append(self.head.of(own).sample())
            self.generators[place] = self._generator()
        return torch.cat(drawn)

    def _generator(self) -> Tensor:
        if self.device.type == "cuda":
            return torch.cuda.get_rng_state(self.device)
        return torch.get_rng_state()

    def _set_generator(self, generator: Tensor) -> None:
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(generator, self.device)
        else:
            torch.set_rng_state(generator)
