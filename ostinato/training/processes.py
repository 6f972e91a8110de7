"""Several processes under torchrun: who am I, and what must be added up or gathered.

Gradients are added up in one message after the last backward pass, and not by torch's
DistributedDataParallel, which overlaps the two: it lays out its buckets anew after its first
update, so that with three processes or more a resumed run adds in another order than one never
interrupted, and is not bit-identical (seen with gloo, torch 2.13).
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ostinato.errors import TrainingError


@dataclass(frozen=True)
class Processes:
    """This process among those of the run."""

    rank: int = 0
    world_size: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes of a tensor."""
        if self.world_size > 1:
            dist.all_reduce(tensor)
        return tensor

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Add up the gradients of all processes, in one message a data type.

        Once an update, after all its backward passes. A parameter that took no part in some
        process, as a learned initial state may, counts as zero there; one that took part in none
        keeps no gradient, as in one process, so that the optimiser passes it over.
        """
        if self.world_size == 1:
            return
        for kind in sorted({p.dtype for p in parameters}, key=str):
            _sum_gradients_of_one_kind([p for p in parameters if p.dtype == kind])

    def stop_together(self, problem: str | None) -> None:
        """Raise TrainingError in every process, in the words of the first that has some.

        Every process must call this, and one at least with a problem.
        """
        problems = [text for text in self.gather(problem) if text is not None]
        if problems:
            raise TrainingError(problems[0])

    def gather(self, value: Any) -> list[Any]:
        """Every process's value, in the order of ranks, in every process."""
        if self.world_size == 1:
            return [value]
        gathered: list[Any] = [None] * self.world_size
        dist.all_gather_object(gathered, value)
        return gathered

    def from_first(self, value: Any) -> Any:
        """The first process's value, in every process."""
        if self.world_size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box)
        return box[0]

    def same_start(self, model: nn.Module) -> None:
        """Give every process the first one's weights."""
        if self.world_size > 1:
            for tensor in [*model.parameters(), *model.buffers()]:
                dist.broadcast(tensor.data, 0)


@contextmanager
def join_processes(device: torch.device) -> Iterator[Processes]:
    """The processes that torchrun started (gloo on the CPU, nccl on the GPU), or this one alone."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield Processes()
        return
    owner = not dist.is_initialized()
    if owner:
        # The first process validates while the others wait; torchrun ends them if it dies.
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=timedelta(days=1))
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        if owner:
            dist.destroy_process_group()


def _sum_gradients_of_one_kind(parameters: Sequence[nn.Parameter]) -> None:
    """One message: the gradients, zeros where there is none, and for each whether there is one."""
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    present = [0.0 if p.grad is None else 1.0 for p in parameters]
    flags = torch.tensor(present, dtype=gradients[0].dtype, device=gradients[0].device)
    flat = torch.cat([*(gradient.flatten() for gradient in gradients), flags])
    dist.all_reduce(flat)
    *pieces, flags = flat.split([*(gradient.numel() for gradient in gradients), len(gradients)])
    for index, (parameter, piece) in enumerate(zip(parameters, pieces, strict=True)):
        if parameter.grad is not None:
            parameter.grad.copy_(piece.view_as(parameter))
        elif flags[index] > 0:
            parameter.grad = piece.view_as(parameter).clone()
