"""Where the steps are computed: in one process, or in those that Accelerate launched.

With several, each batch is split among them and gradients are averaged, so that one process with
the same batches takes the same steps. Accelerate wraps the model (DDP, FSDP2) as its own
configuration says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from tenfold.data.batches import part_of
from tenfold.errors import bad_value
from tenfold.machine.processes import World, accelerate, on_cpu, world

FOREIGN = ("DEEPSPEED", "MEGATRON_LM", "XLA")  # these take steps of their own


class OneProcess:
    """One process."""

    here = World()

    def device(self, current: torch.device) -> torch.device:
        """Where to compute a model that is on the device ``current``."""
        return current

    def prepare(
        self, student: nn.Module, optimiser: torch.optim.Optimizer
    ) -> tuple[nn.Module, Any]:
        """The student and the optimiser as they are to be called."""
        return student, optimiser

    def parts(self, data: Iterable[Any]) -> Iterator[tuple[Any, float]]:
        """This process's part of every batch, and its share."""
        for raw in data:
            yield self.part(raw)

    def part(self, raw: Any) -> tuple[Any, float]:
        """This process's part of one batch."""
        return raw, 1.0

    def average(self, value: Tensor) -> Tensor:
        """Mean over the processes, without gradients."""
        return value

    def total(self, value: float, weight: float, device: torch.device) -> tuple[float, float]:
        """Sums over the processes."""
        return value, weight

    def either(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is set in any process."""
        return flag

    def collect(self, value: Tensor) -> Tensor:
        """Every process's tensor, one after the other along a new first mode."""
        return value.unsqueeze(0)

    def without_exchange(self, forward: nn.Module) -> AbstractContextManager[Any]:
        """Backward passes inside keep their gradients to themselves."""
        return nullcontext()


class Launched(OneProcess):
    """Several processes under Accelerate."""

    def __init__(self) -> None:
        self.here = world()
        self._accelerator = accelerate().Accelerator(mixed_precision="no", cpu=on_cpu())
        settle_wrapping(self._accelerator.state)

    def device(self, current: torch.device) -> torch.device:
        return self._accelerator.device

    def prepare(
        self, student: nn.Module, optimiser: torch.optim.Optimizer
    ) -> tuple[nn.Module, Any]:
        if self._accelerator.device.type == "cuda":
            student = nn.SyncBatchNorm.convert_sync_batchnorm(student)
        return self._accelerator.prepare(student, optimiser)

    def parts(self, data: Iterable[Any]) -> Iterator[tuple[Any, float]]:
        sharded = self._sharded(data)
        if sharded is None:
            yield from super().parts(data)
        else:
            for raw in sharded:
                yield raw, 1.0

    def _sharded(self, data: Iterable[Any]) -> DataLoader[Any] | None:
        """A loader of this process's inputs alone, where all batches divide evenly."""
        if not isinstance(data, DataLoader) or not divides(data, self.here.size):
            return None
        shard = accelerate().data_loader.BatchSamplerShard(
            data.batch_sampler, self.here.size, self.here.rank, split_batches=True
        )
        return DataLoader(
            data.dataset,
            batch_sampler=shard,
            num_workers=data.num_workers,
            collate_fn=data.collate_fn,
            pin_memory=data.pin_memory,
            worker_init_fn=data.worker_init_fn,
            prefetch_factor=data.prefetch_factor,
        )

    def part(self, raw: Any) -> tuple[Any, float]:
        return part_of(raw, self.here.rank, self.here.size)

    def average(self, value: Tensor) -> Tensor:
        value = value.detach().clone()
        dist.all_reduce(value)
        return value / self.here.size

    def total(self, value: float, weight: float, device: torch.device) -> tuple[float, float]:
        both = torch.tensor([value, weight], dtype=torch.float64, device=device)
        dist.all_reduce(both)
        return float(both[0]), float(both[1])

    def either(self, flag: bool, device: torch.device) -> bool:
        return self.total(float(flag), 0.0, device)[0] > 0

    def collect(self, value: Tensor) -> Tensor:
        values = [torch.empty_like(value) for _ in range(self.here.size)]
        dist.all_gather(values, value)
        return torch.stack(values)

    def without_exchange(self, forward: nn.Module) -> AbstractContextManager[Any]:
        return self._accelerator.no_sync(forward)


def settle_wrapping(state: Any) -> None:
    """Make an ``AcceleratorState`` one under which fine-tuning is what it is in one process.

    Raises InputError for engines that take steps of their own, and for FSDP1, which flattens
    the parameters.
    """
    if state.distributed_type in FOREIGN:
        raise bad_value(
            "Accelerate must wrap networks as DDP or FSDP2",
            state.distributed_type.value,
            "choose one with accelerate config",
        )
    if state.distributed_type != "FSDP":
        return
    plugin = state.fsdp_plugin
    if plugin.fsdp_version != 2:
        raise bad_value(
            "FSDP must be of version 2",
            plugin.fsdp_version,
            "add --fsdp_version 2, or fsdp_version: 2 to Accelerate's configuration",
        )
    # It fails on BatchNorm's buffers, and every process has the whole network already.
    plugin.cpu_ram_efficient_loading = False


def divides(data: DataLoader[Any], count: int) -> bool:
    """Whether a loader's batches, the last as well, are of one size that divides by the count."""
    size, rows = data.batch_size, data.dataset
    if not size or size % count or isinstance(rows, IterableDataset):
        return False
    return data.drop_last or (isinstance(rows, Sized) and len(rows) % size == 0)


def open_workers() -> OneProcess:
    """The one that fits how this process was started."""
    return Launched() if world().size > 1 else OneProcess()
