"""Classifiers of more classes than there are inputs -> features of every class to learn them on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.apart import Split
from tenfold.data.batches import rows_of
from tenfold.data.features import class_features
from tenfold.layers import LAYERS, weight_of
from tenfold.network.call import call, evaluating
from tenfold.network.watch import watching
from tenfold.tasks import Task, parts_of
from tenfold.values import Site

EACH = 2  # of a class that are learnt from; one more measures


@torch.no_grad()
def make_lessons(
    model: nn.Module, sites: Iterable[Site], batches: Sequence[Any], task: Task, seed: int
) -> dict[str, Split]:
    """By site, features made of each class for a classifier that is the last layer, where its
    classes outnumber the inputs: those do not tell how it may be cut."""
    inputs = sum(map(rows_of, batches))
    wide = [site for site in sites if may_be_wide(site, task) and site.out_channels > inputs]
    observed = last_inputs(model, wide, batches[0]) if wide else {}
    return {name: lesson(model.get_submodule(name), x, seed) for name, x in observed.items()}


def may_be_wide(site: Site, task: Task) -> bool:
    """Whether a site maps rows of features to scores of classes."""
    rows = not site.axes and not site.others and not LAYERS[site.kind].looks_up
    return rows and task.class_mode == 1


def last_inputs(model: nn.Module, sites: Sequence[Site], inputs: Any) -> dict[str, Tensor]:
    """Inputs ``(rows, n)`` of the one site whose output is what the network says first."""
    calls: dict[str, tuple[Tensor, Tensor]] = {}

    def watch(name: str) -> Any:
        def hook(layer: Any, args: tuple[Tensor, ...], output: Tensor) -> None:
            calls[name] = (args[0], output)

        return hook

    with evaluating(model), watching({model.get_submodule(s.name): watch(s.name) for s in sites}):
        said = next(iter(parts_of(call(model, inputs)).values()), None)
    return {
        name: x.detach()
        for name, (x, output) in calls.items()
        if x.ndim == 2 and len(x) > 1 and output is said
    }


def lesson(layer: nn.Module, observed: Tensor, seed: int) -> Split:
    """Features to learn from, and others that measure."""
    generator = torch.Generator().manual_seed(seed)
    weight = weight_of(layer).detach()
    seen, apart = (class_features(layer, weight, observed, k, generator) for k in (EACH, 1))
    return Split((seen,), (apart,))
