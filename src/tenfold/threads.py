"""Work shared out over threads, one torch thread each: small kernels lose on two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

A = TypeVar("A")
B = TypeVar("B")


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Torch's intra-operation threads inside; what it was before outside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def parallel_map(work: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """``map`` over as many threads as torch has now, results in order, errors raised here."""
    workers = torch.get_num_threads()
    with (
        torch_threads(1),
        ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        yield from pool.map(work, items)
