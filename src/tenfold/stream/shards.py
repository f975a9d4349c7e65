"""Checkpoint, Plan -> Shards: which tensors go into which file, with their names and sizes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tenfold.store.folder import WEIGHTS
from tenfold.stream.read_checkpoint import SUFFIX, Checkpoint, Entry
from tenfold.stream.survey_checkpoint import BIAS, WEIGHT
from tenfold.values import Plan, Site


@dataclass(frozen=True)
class Written:
    """One tensor of the output: its name, type, shape and bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True)
class Job:
    """One tensor of the checkpoint and what it becomes: itself, under another name maybe, or two
    factors of this rank; ``turned`` for a table, whose narrow table comes first."""

    entry: Entry
    made: tuple[Written, ...]
    rank: int | None = None
    turned: bool = False

    @property
    def bytes(self) -> int:
        """Of all that is made."""
        return sum(tensor.bytes for tensor in self.made)


@dataclass(frozen=True)
class Shard:
    """One file of the output."""

    name: str
    jobs: tuple[Job, ...]

    @property
    def made(self) -> Iterator[Written]:
        """Its tensors in the order of their bytes."""
        return (tensor for job in self.jobs for tensor in job.made)


def deal_out(
    checkpoint: Checkpoint, plan: Plan, sites: Iterable[Site], largest: float
) -> tuple[Shard, ...]:
    """Shards of at most ``largest`` bytes, but for a tensor that is larger; named as transformers
    names them."""
    jobs = jobs_of(checkpoint, plan, {site.name: site for site in sites})
    groups: list[list[Job]] = [[]]
    for job in jobs:
        if groups[-1] and sum(other.bytes for other in groups[-1]) + job.bytes > largest:
            groups.append([])
        groups[-1].append(job)
    count = len(groups)
    names = [f"model-{k + 1:05d}-of-{count:05d}{SUFFIX}" for k in range(count)]
    names = [WEIGHTS] if count == 1 else names
    return tuple(Shard(name, tuple(aligned(group))) for name, group in zip(names, groups))


def aligned(jobs: Iterable[Job]) -> list[Job]:
    """Wide types first, so that every tensor begins at a multiple of its own type's size."""
    return sorted(jobs, key=lambda job: (-width(job.entry), job.entry.name))


def width(entry: Entry) -> float:
    """Bytes a number."""
    return entry.bytes / max(1, entry.numel)


def jobs_of(checkpoint: Checkpoint, plan: Plan, sites: Mapping[str, Site]) -> Iterator[Job]:
    """What every tensor becomes, in the order of the checkpoint."""
    ranks = {choice.site: choice.ranks[0] for choice in plan.choices if choice.ranks}
    for name, entry in checkpoint.entries.items():
        layer = name.rpartition(".")[0]
        if name == layer + WEIGHT and layer in ranks:
            yield factored(entry, sites[layer], ranks[layer])
        elif name == layer + BIAS and layer in ranks:
            yield Job(entry, (as_written(entry, f"{layer}.1{BIAS}"),))
        else:
            yield Job(entry, (as_written(entry, name),))


def factored(entry: Entry, site: Site, rank: int) -> Job:
    """The two links of a chain, named as a ``Sequential`` has them: a linear layer is ``(rank,
    in)`` and ``(out, rank)``; a table ``(rows, rank)`` and ``(width, rank)``."""
    rows, columns = entry.shape
    turned = site.kind == "embedding"
    shapes = [(rows, rank), (columns, rank)] if turned else [(rank, columns), (rows, rank)]
    made = (
        Written(f"{site.name}.{k}{WEIGHT}", entry.dtype, shape, sized(entry, shape))
        for k, shape in enumerate(shapes)
    )
    return Job(entry, tuple(made), rank, turned)


def sized(entry: Entry, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor of the same type."""
    return entry.bytes // entry.numel * math.prod(shape)


def as_written(entry: Entry, name: str) -> Written:
    """The tensor as it is."""
    return Written(name, entry.dtype, entry.shape, entry.bytes)


def header_of(shard: Shard) -> dict[str, Any]:
    """What the file says of its tensors."""
    told: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    begin = 0
    for tensor in shard.made:
        end = begin + tensor.bytes
        told[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
        begin = end
    return told


def totals_of(shards: Iterable[Shard]) -> dict[str, float]:
    """Numbers and bytes of all tensors that are written."""
    made = [tensor for shard in shards for tensor in shard.made]
    return {
        "params": float(sum(math.prod(tensor.shape) for tensor in made)),
        "bytes": float(sum(tensor.bytes for tensor in made)),
    }
