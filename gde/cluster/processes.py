"""The processes that train one model together, where torchrun or srun started several."""

from datetime import timedelta
from typing import TYPE_CHECKING

import torch
from torch import Tensor, distributed, nn

if TYPE_CHECKING:
    from gde.sets.batch import Sets


class Processes:
    """This process among its peers. Alone, every method is the identity.

    rank, world : number of this process and of all; group : for flags that live on the CPU, whatever the device.
    """

    def __init__(self):
        self.rank, self.world, self.group = 0, 1, None
        if distributed.is_initialized():
            self.rank, self.world = distributed.get_rank(), distributed.get_world_size()
        if self.world > 1:
            self.group = distributed.new_group(backend="gloo", timeout=timedelta(minutes=30))

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process: all must leave the loop at the same step."""
        if self.world == 1:
            return flag
        count = torch.tensor(int(flag))
        distributed.all_reduce(count, group=self.group)
        return bool(count)

    def first(self, value: float) -> float:
        """The first process's value: GPUs may differ in the last bits of what all compute."""
        if self.world == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64)
        distributed.broadcast(shared, 0, group=self.group)
        return float(shared)

    def wait(self) -> None:
        """Return when every process has come here: what the first one wrote can then be read."""
        if self.world > 1:
            distributed.barrier(self.group)

    def average(self, parameters: list[nn.Parameter], losses: dict[str, Tensor], batch: "Sets") -> None:
        """Average gradients and losses, each process weighted by its number of real samples."""
        if self.world == 1:
            return
        count = batch.real
        total = count.clone()
        distributed.all_reduce(total)
        flat = torch.cat([p.grad.flatten() for p in parameters] + [v.detach().reshape(1) for v in losses.values()])
        flat *= count / total
        distributed.all_reduce(flat)
        parts = flat.split([p.numel() for p in parameters] + [1] * len(losses))
        for p, g in zip(parameters, parts, strict=False):
            p.grad.copy_(g.view_as(p))
        for key, value in zip(losses, parts[len(parameters) :], strict=True):
            losses[key] = value[0]
