"""Moments on disk: those of the same network on the same inputs are taken once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.formats.metric import Metric, Root
from tenfold.machine.cache import Kept, name_for, once
from tenfold.network.identity import digest, digest_of
from tenfold.sense.inputs import Inputs
from tenfold.tasks import Task, parts_of
from tenfold.values import Site

Metrics = Mapping[str, Metric]
ROOTS = ("inputs", "outputs", "patches")


def mark_of(
    model: nn.Module, sites: Iterable[Site], inputs: Inputs, task: Task, output: Any, seed: int
) -> str:
    """What the moments depend on, as a name: the model and what it says, for code may differ where
    modules and weights do not; its sites, the inputs, the task, the seed."""
    seen = digest_of(inputs.split.seen)
    facts = (tuple(sites), seen, inputs.origin, inputs.ridge, task.name, say_sizes(output), seed)
    return name_for("moments", digest((), model), facts)


def say_sizes(output: Any) -> list[tuple[str, tuple[int, ...], str]]:
    """Name, shape and mean size of each tensor, to as many digits as any machine computes alike."""
    return [
        (name, tuple(x.shape), f"{float(x.detach().abs().double().mean()):.3g}")
        for name, x in parts_of(output).items()
    ]


def moments_once(mark: str, make: Callable[[], Metrics], seed: int) -> Metrics:
    """The metrics that ``make`` returns, or those that it returned before for the same ``mark``;
    torch's random state is the same after both."""
    found = once(mark, make, pack, unpack)
    torch.manual_seed(seed)
    return found


def pack(metrics: Metrics) -> Kept:
    """By the place of a site in the order of its facts."""
    tensors = {
        f"{k}.{name}": x for k, metric in enumerate(metrics.values()) for name, x in roots(metric)
    }
    groups = [len(metric.groups) for metric in metrics.values()]
    return Kept(tensors, {"sites": list(metrics), "groups": groups})


def roots(metric: Metric) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a metric by the path to it."""
    for name in ROOTS:
        root: Root | None = getattr(metric, name)
        if root is not None:
            yield f"{name}.root", root.root
            yield f"{name}.inverse", root.inverse
    for k, part in enumerate(metric.groups):
        yield from ((f"{k}.{name}", x) for name, x in roots(part))


def unpack(kept: Kept) -> Metrics:
    """The metrics that were packed. Raises KeyError for anything else."""
    counts = zip(kept.facts["sites"], kept.facts["groups"], strict=True)
    return {
        site: read_metric(kept.tensors, f"{k}.", groups) for k, (site, groups) in enumerate(counts)
    }


def read_metric(tensors: Mapping[str, Tensor], under: str, groups: int) -> Metric:
    """The metric whose tensors have names that begin so."""
    own = {name: read_root(tensors, f"{under}{name}") for name in ROOTS}
    parts = tuple(read_metric(tensors, f"{under}{k}.", 0) for k in range(groups))
    return Metric(**own, groups=parts)


def read_root(tensors: Mapping[str, Tensor], name: str) -> Root | None:
    """A root with its inverse; None where there was none."""
    if f"{name}.root" not in tensors:
        return None
    return Root(tensors[f"{name}.root"], tensors[f"{name}.inverse"])
