"""Shards -> safetensors files, each written tensor by tensor: its sizes are known beforehand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from tenfold.machine.progress import Progress
from tenfold.stream.measure import finish
from tenfold.stream.read_checkpoint import LENGTH, Entry, read_tensor
from tenfold.stream.read_moments import Moments
from tenfold.stream.shards import Job, Shard, header_of
from tenfold.stream.spectrum import split
from tenfold.stream.work_folder import Work, write_whole

BLOCK = 2**24  # bytes copied at once


def write_shards(shards: Sequence[Shard], moments: Moments, work: Work, progress: Progress) -> None:
    """Write every shard that is not there yet; every process writes its own."""

    def write(shard: Shard) -> None:
        write_whole(work.out / shard.name, lambda part: write_shard(shard, moments, part))

    finish("shards", write, shards, lambda shard: work.out / shard.name, progress)


def write_shard(shard: Shard, moments: Moments, path: Path) -> None:
    """One file: the header, then the bytes of each tensor."""
    header = json.dumps(header_of(shard), separators=(",", ":")).encode()
    header += b" " * (-len(header) % LENGTH)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(LENGTH, "little") + header)
        for job in shard.jobs:
            if job.rank is None:
                copy_bytes(job.entry, file)
            else:
                for factor in factors_of(job, job.rank, moments):
                    write_numbers(factor, file)


def factors_of(job: Job, rank: int, moments: Moments) -> Iterator[Tensor]:
    """The links of the chain, first the one that sees the input."""
    weighing = moments.weighing(job.entry)
    left, right = split(read_tensor(job.entry), weighing, rank)
    yield from (left, right.T) if job.turned else (right, left)


def copy_bytes(entry: Entry, file: BinaryIO) -> None:
    """A tensor as it lies on disk, whatever its type."""
    with entry.file.open("rb") as source:
        source.seek(entry.begin)
        left = entry.bytes
        while left:
            block = source.read(min(BLOCK, left))
            file.write(block)
            left -= len(block)


def write_numbers(tensor: Tensor, file: BinaryIO) -> None:
    """A tensor's numbers in their order."""
    file.write(tensor.contiguous().view(torch.uint8).numpy().data)
