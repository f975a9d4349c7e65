"""Kronecker factors of a layer's Fisher information, for all sites in one pass over the inputs.

A = sum over positions of the second moment of the input, G = mean over positions of the second
moment of the output's gradient (Grosse and Martens 2016, equations 34 and 35). The gradient is
that of the log-likelihood at a class drawn from the network's own output, so no labels enter; of
other outputs, that of a random projection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.data.batches import rows_of
from tenfold.data.synthesise import frozen
from tenfold.formats.metric import RIDGE, Metric, Root
from tenfold.layers import LAYERS
from tenfold.network.call import call, evaluating
from tenfold.network.padding import counted_rows, masks_of
from tenfold.network.watch import watching
from tenfold.sense.kronecker import Pair, sum_of_products
from tenfold.sense.shrink import Spread
from tenfold.tasks import Masks, Task, guess_task
from tenfold.values import Site

PATCH_LIMIT = 1300  # largest patch (channels times window) whose correlation is kept
FIELDS = 2**16  # receptive fields of a batch that patches are read off; volumes have a million
GRADIENTS = 256  # inputs from which gradients are had: their moments are of low rank


@dataclass
class Sums:
    """Running second moments of one site."""

    inputs: Spread = field(default_factory=Spread)
    outputs: Spread = field(default_factory=Spread)
    patches: Spread = field(default_factory=Spread)
    count: int = 0


def estimate_moments(
    model: nn.Module,
    sites: Iterable[Site],
    batches: Iterable[Any],
    task: Task | None = None,
    ridge: float = RIDGE,
) -> dict[str, Metric]:
    """A metric a site from batches of inputs; the model is left as it was.

    Labels are drawn from torch's random state, as the ``task`` says; without one it is guessed from
    the output. Positions that a mask in the inputs marks as padding do not count. A site that no
    gradient reaches keeps the identity on its outputs; one in groups of one channel has no metric,
    for a number a group would change no factor of a depthwise layer. ``ridge`` is what the kind of
    inputs calls for, to which the number of inputs adds.
    """
    sites = tuple(site for site in sites if not site.lone)
    sums = sum_moments(model, sites, batches, task)
    return {s.name: metric_of(joined(s, sums), s.groups, ridge) for s in sites}


def sum_moments(
    model: nn.Module, sites: Iterable[Site], batches: Iterable[Any], task: Task | None = None
) -> dict[str, Sums]:
    """The sums behind the metrics, for every place of every site; gradients of the first inputs
    only."""
    by_name = {place.name: place for site in sites for place in site.places}
    sums = {name: Sums(Spread(LAYERS[p.kind].prior(p))) for name, p in by_name.items()}
    seen = 0
    with evaluating(model), frozen(model):
        for inputs in batches:
            accumulate(model, by_name, sums, inputs, task, backward=seen < GRADIENTS)
            seen += rows_of(inputs)
    return sums


def accumulate(
    model: nn.Module,
    sites: Mapping[str, Site],
    sums: Mapping[str, Sums],
    inputs: Any,
    task: Task | None = None,
    backward: bool = True,
) -> None:
    """One batch: forward for A, ``backward`` from what the task draws for G."""
    masks = masks_of(model, inputs)

    def watch(name: str) -> Any:
        """A hook that adds up what one site sees, and what comes back to it."""

        def hook(layer: Any, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            add_inputs(sums[name], sites[name], args[0].detach(), masks)
            if not backward:
                return output
            if not output.requires_grad:  # a copy, for an activation may work in place on it
                output = output.requires_grad_().clone()
            if output.requires_grad:  # not where the network itself switches gradients off
                output.register_hook(
                    lambda grad: add_gradient(sums[name], sites[name], grad, masks)
                )
            return output

        return hook

    hooks = {model.get_submodule(name): watch(name) for name in sites}
    with watching(hooks), torch.set_grad_enabled(backward):
        output = call(model, inputs)
        if not backward:
            return
        loss = (task or guess_task(model, output)).drawn_loss(output, masks)
        if loss is not None and loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]


def add_inputs(sums: Sums, site: Site, x: Tensor, masks: Masks) -> None:
    """Input second moments: channels, and whole patches where they are small enough."""
    kind = LAYERS[site.kind]
    x = kind.batched(site, x.float() if x.is_floating_point() else x)
    rows = kind.rows(site, x)
    # a strided layer sees fewer positions than there are; the mean over all is as good
    share = positions_of(site) / max(1, len(rows) // len(x)) if site.axes else 1.0
    moment = partial(kind.moment, site)
    sums.inputs.add(counted_rows(x, rows, masks, site.name), len(x), share, moment)
    sums.count += len(x)
    if site.window > 1 and site.in_channels * site.window <= PATCH_LIMIT:
        step = 1 if masks else max(1, len(rows) // FIELDS)
        fields = counted_rows(x, kind.some_fields(site, x, step), masks, site.name)
        sums.patches.add(fields, len(x), step)


def positions_of(site: Site) -> int:
    """Positions an image at which the weight is applied, over one call."""
    return max(1, LAYERS[site.kind].positions(site.calls[0])) if site.calls else 1


def add_gradient(sums: Sums, site: Site, grad: Tensor, masks: Masks) -> None:
    """Second moment of the output's gradient."""
    kind = LAYERS[site.kind]
    grad = kind.batched(site, grad.detach().float())
    rows = counted_rows(grad, kind.rows(site, grad), masks, site.name)
    sums.outputs.add(rows, len(grad), 1.0, partial(kind.moment, site))


def joined(site: Site, sums: Mapping[str, Sums]) -> Sums:
    """The moments of a site: those of the first place, unless others that were seen share its
    weight; then no more is known than of the place that is known least."""
    pairs = [pair for place in site.places for pair in pairs_of(place, sums[place.name])]
    if not site.others or not pairs:
        return sums[site.name]
    inputs, outputs = sum_of_products(pairs)
    seen = [part for place in site.places for part in sides_of(place, sums[place.name])]
    doubts = [max(spread.shrinkage() for spread in side) for side in zip(*seen)]
    return Sums(Spread(inputs, doubt=doubts[0], rows=1), Spread(outputs, doubt=doubts[1], rows=1))


def sides_of(place: Site, sums: Sums) -> list[tuple[Spread, Spread]]:
    """What the input and the output of the first place's weight see here; none where nothing was
    seen."""
    if not sums.inputs.rows or not sums.outputs.rows:
        return []
    return [(sums.outputs, sums.inputs) if place.turned else (sums.inputs, sums.outputs)]


def pairs_of(place: Site, sums: Sums) -> list[Pair]:
    """Mean moments of the inputs and of the outputs' gradients as the first place has them; none
    where one was not seen."""
    inputs, outputs = sums.inputs.total, sums.outputs.total
    if not isinstance(inputs, Tensor) or not isinstance(outputs, Tensor):
        return []
    pair = inputs / max(1, sums.count), outputs * (place.scale**2 / max(1, sums.outputs.rows))
    if not all(bool(m.isfinite().all()) and bool(m.any()) for m in pair):
        return []
    return [(pair[1], pair[0]) if place.turned else pair]


def metric_of(sums: Sums, groups: int = 1, ridge: float = RIDGE) -> Metric:
    """Roots of the mean moments, group by group; the identity where nothing was seen."""
    if groups > 1:
        parts = (part_of(sums, index, groups) for index in range(groups))
        return Metric(groups=tuple(metric_of(part, ridge=ridge) for part in parts))
    count = max(1, sums.count)
    return Metric(
        inputs=_root(sums.inputs, count, ridge),
        outputs=_root(sums.outputs, max(1, sums.outputs.rows), ridge),
        patches=_root(sums.patches, count, ridge),
    )


def part_of(sums: Sums, index: int, groups: int) -> Sums:
    """The moments of one group's channels."""
    return Sums(
        sums.inputs.block(index, groups),
        sums.outputs.block(index, groups),
        sums.patches.block(index, groups),
        sums.count,
    )


def _root(spread: Spread, count: int, ridge: float) -> Root | None:
    """Root of a mean, or None for one that is missing, zero or not finite."""
    total = spread.total
    if not isinstance(total, Tensor) or not bool(torch.isfinite(total).all()) or not total.any():
        return None
    return Root.of(total.cpu() / count, ridge + spread.ridge())
