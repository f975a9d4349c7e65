"""Work shared out over processes and threads, one torch thread each: small kernels lose on two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch

from tenfold.machine.processes import gathered, outcome, own, world

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
    """``map`` over the launched processes and as many threads in each as torch has now.

    Results come in order, errors are raised here; alone, each result as soon as it is there.
    """
    here = world()
    if here.size == 1:
        yield from threaded_map(work, items)
        return
    yield from gathered(list(threaded_map(partial(outcome, work), own(list(items), here))), here)


def threaded_map(work: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """``map`` over threads of this process."""
    workers = torch.get_num_threads()
    with (
        torch_threads(1),
        ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        yield from pool.map(work, items)
