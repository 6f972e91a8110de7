"""The gradient of hard attention's choices: REINFORCE with a moving baseline (Xu 2015)."""

import torch
from torch import Tensor, nn

from ostinato.layers.attention.prepared import HardChoice


class Reinforce(nn.Module):
    """Teaches hard attention by the reward of what it chose.

        gradient = (R_t - b n_t) d log p(choice_t) + entropy_weight d H_t
        b <- decay b + (1 - decay) (mean reward of a step)

    where R_t is the reward of step t and of the n_t - 1 counted steps after it that saw the
    choice, or of step t alone where no later step does.

    Args:
        entropy_weight: how much a spread of the choices is favoured.
        decay: of the moving baseline b.

    Source: Xu et al. 2015, equations 11 and 12 and the baseline before them, Williams 1992. There
    the reward of a choice is that of the whole sentence, what lies before it included.
    """

    baseline: Tensor
    seen: Tensor

    def __init__(self, *, entropy_weight: float = 0.01, decay: float = 0.9) -> None:
        super().__init__()
        self.entropy_weight = entropy_weight
        self.decay = decay
        self.register_buffer("baseline", torch.zeros(()))
        self.register_buffer("seen", torch.zeros((), dtype=torch.bool))

    def forward(
        self, choice: HardChoice, rewards: Tensor, counted: Tensor, *, onward: bool
    ) -> Tensor:
        """What is to be added to the losses; its value is 0, its gradient is not.

        Args:
            choice: of each step, its tensors (batch, time).
            rewards: (batch, time), as the log-probability of each target. No gradient passes.
            counted: booleans (batch, time), True where a step counts.
            onward: a choice has effects on later steps, too.

        Returns:
            (batch, time).
        """
        rewards = torch.where(counted, rewards.detach(), 0.0)
        mean = rewards.sum() / counted.sum().clamp_min(1)
        baseline = torch.where(self.seen, self.baseline.to(mean), mean)
        steps = counted.to(rewards.dtype)
        if onward:
            rewards, steps = _from_here_on(rewards), _from_here_on(steps)
        advantage = rewards - baseline * steps
        gain = advantage * choice.log_probability + self.entropy_weight * choice.entropy
        with torch.no_grad():
            self.baseline.copy_(self.decay * baseline + (1 - self.decay) * mean)
            self.seen.fill_(True)
        return torch.where(counted, gain.detach() - gain, 0.0)


def _from_here_on(values: Tensor) -> Tensor:
    """For each step the sum of its value and of all after it."""
    return values.flip(1).cumsum(1).flip(1)
