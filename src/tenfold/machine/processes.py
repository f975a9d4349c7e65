"""Work shared out over the processes of ``accelerate launch`` or ``torchrun``, and over threads.

Alone, plain calls. Every process runs the same program; what is made once, or piece by piece by
several, is handed to all of them, so that no two can come to different plans. Each thread has one
torch thread: small kernels lose on two.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from tenfold.errors import MissingExtra, bad_value

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class World:
    """Which process this is, of how many."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0


def world() -> World:
    """The launched world, its process group opened on first use.

    Raises MissingExtra without Accelerate, InputError when it does not see all processes.
    """
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if launched == 1 or "RANK" not in os.environ:
        return World()
    state = accelerate().PartialState(cpu=on_cpu())
    if state.num_processes != launched:
        raise bad_value(
            "Launched processes must form one group",
            f"{state.num_processes} of {launched}",
            "start them with accelerate launch or torchrun",
        )
    return World(state.process_index, state.num_processes)


def on_cpu() -> bool:
    """Whether the processes compute without an accelerator: none there, or told so."""
    told = os.environ.get("ACCELERATE_USE_CPU", "false").lower() in ("true", "1", "yes")
    return told or not torch.accelerator.is_available()


def accelerate() -> Any:
    """Hugging Face Accelerate."""
    try:
        import accelerate as package
    except ImportError as error:
        raise MissingExtra(
            "Several processes must have Hugging Face Accelerate, but found none; "
            "pip install 'tenfold[distributed]'."
        ) from error
    return package


def on_first_process(work: Callable[[], A]) -> A:
    """What the first process makes, in all of them; an error there is an error everywhere."""
    here = world()
    if here.size == 1:
        return work()
    box = [outcome(lambda _: work(), None) if here.first else None]
    dist.broadcast_object_list(box, src=0)
    return opened(box[0])  # type: ignore[arg-type]


def share(work: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """``map`` with every process doing its part; all get all results, in order.

    Alone, results come one by one; else together once the slowest process is done.
    """
    here = world()
    if here.size == 1:
        yield from map(work, items)
        return
    yield from gathered([outcome(work, item) for item in own(list(items), here)], here)


def own(items: list[A], here: World) -> list[A]:
    """This process's items: every n-th, because neighbours cost alike."""
    return items[here.rank :: here.size]


def gathered(mine: list[tuple[bool, Any]], here: World) -> list[Any]:
    """Everybody's results in the order of the items; raises the first error among them."""
    parts: list[Any] = [None] * here.size
    dist.all_gather_object(parts, mine)
    rounds = range(max(len(part) for part in parts))
    return [opened(part[k]) for k in rounds for part in parts if k < len(part)]


def outcome(work: Callable[[A], B], item: A) -> tuple[bool, Any]:
    """A result or an error as a value, so that nobody waits for a process that failed."""
    try:
        return True, work(item)
    except Exception as error:
        return False, error


def opened(result: tuple[bool, Any]) -> Any:
    """The result, or the error raised."""
    done, value = result
    if not done:
        raise value
    return value


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
