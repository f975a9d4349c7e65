"""The stage: layer by layer in the order of the forward pass, fit the factors, then the mean.

It needs inputs, synthetic ones or a calibration, and no labels. Every layer is fitted to what the
original says on them, given what the compressed layers before it pass on. With several processes
the batches are shared out; the fits, each of which needs those before it, are not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.build.reconstruct.fit import fit
from tenfold.build.reconstruct.followers import Called, follow
from tenfold.build.reconstruct.pair import Pair
from tenfold.build.reconstruct.places import Fittable, fittable
from tenfold.build.reconstruct.quadratic import ask, pull_for
from tenfold.build.reconstruct.regress import Regression, regress
from tenfold.curves.outcome import Judge
from tenfold.data.batches import rows_of
from tenfold.formats import FORMATS
from tenfold.formats.metric import Metric
from tenfold.layers import WIDE, links_of, put_weight, weight_of
from tenfold.machine.processes import on_first_process
from tenfold.machine.progress import Progress, silent
from tenfold.network.call import evaluating
from tenfold.network.copying import copy_of
from tenfold.network.traces import noting_traces
from tenfold.values import Plan


def reconstruct(
    original: nn.Module,
    built: nn.Module,
    plan: Plan,
    batches: Sequence[Any],
    metrics: Mapping[str, Metric] | None = None,
    progress: Progress = silent,
    judge: Judge | None = None,
    left: Collection[str] = (),
) -> nn.Module:
    """A copy of ``built`` whose factors reproduce the original's layer outputs on the batches.

    ``batches`` hold inputs alone. Errors are weighed by the output side of ``metrics``. Where a
    bias or a BatchNorm follows, it takes up what is left of the mean. A layer whose fit would
    not be better stays as it is, and so does one after whose fit the whole network is further from
    the original on the inputs of the ``judge``. Sites in ``left`` are left as they are.
    """
    better = copy_of(built)
    fits = fittable(original, plan)
    chosen = {name: fit for name, fit in fits.items() if fit.choice.site not in left}
    with evaluating(original), evaluating(better):
        with noting_traces(original) as traces:
            order = follow(original, tuple(chosen), batches[0]) if chosen else []
        names = [called.name for called in order]
        pair = Pair(original, better, names, batches, judge, traces.found)
        least = pair.shift()
        for done, called in enumerate(order):
            own = chosen[called.name]
            metric = (metrics or {}).get(own.choice.site, Metric()).on(own.choice.metric)
            metric = metric.turned if own.place.turned else metric
            before = touched_by(better, called)
            renew(pair, own, called, metric)
            least = kept_if_nearer(pair, before, least)
            pair.settle()
            progress("reconstruct", done + 1, len(order))
    return better


def touched_by(better: nn.Module, called: Called) -> dict[Tensor, Tensor]:
    """The tensors that a fit of one layer changes, each with what it holds."""
    parts = [better.get_submodule(called.name)]
    held = [x for part in parts for x in part.parameters()]
    if called.batchnorm is not None:
        held.append(better.get_submodule(called.batchnorm).running_mean)  # type: ignore[arg-type]
    return {x: x.detach().clone() for x in held}


def kept_if_nearer(pair: Pair, before: Mapping[Tensor, Tensor], least: float) -> float:
    """Undo a fit after which outputs shift more than before it; the shift that is left."""
    shift = on_first_process(pair.shift)
    if shift <= least:
        return shift
    with torch.no_grad():
        for x, held in before.items():
            x.copy_(held)
    return least


def renew(pair: Pair, fits: Fittable, called: Called, metric: Metric) -> None:
    """Fit one layer in place, group by group, then its mean."""
    choice, site = fits.choice, fits.place
    layer, fmt = pair.original.get_submodule(site.name), FORMATS[choice.format]
    links = links_of(pair.better.get_submodule(site.name))
    sums = regress(pair, site, called.calls)
    central = links[-1].bias is not None or called.batchnorm is not None
    weight = weight_of(layer).detach().float().cpu().flatten(1)
    inputs = sum(map(rows_of, pair.batches))

    def pull(part: Regression) -> float:
        return pull_for(len(part.x), inputs, part.count)

    wanted = [
        ask(*part.moments(central), importance(white, len(own)), own, pull(part))
        for part, white, own in zip(sums, metric.per_group(site.groups), weight.chunk(site.groups))
    ]

    def compose(factors: Sequence[Tensor]) -> Tensor:
        return fmt.dense(site.group, choice.ranks, factors)

    with torch.no_grad():
        factors = [weight_of(link).detach().float().cpu() for link in links]
        parts = list(zip(*(factor.chunk(site.groups) for factor in factors)))
        fitted = on_first_process(
            lambda: [fit(part, compose, goal, fits.free) for part, goal in zip(parts, wanted)]
        )
        for link, factor in zip(links, zip(*fitted)):
            put_weight(link, torch.cat(factor))
        centre(pair.better, links[-1], called, sums, [compose(part).flatten(1) for part in fitted])


def importance(metric: Metric, outputs: int) -> Tensor:
    """Second moment of the output's gradient ``(out, out)``, the identity where none is known; of
    very many outputs the diagonal ``(out,)``."""
    if metric.outputs is None:
        one = torch.ones(outputs, dtype=torch.float32)
        return one.diag() if outputs <= WIDE else one
    root = metric.outputs.root
    if root.ndim == 1:
        return root.square() / root.square().mean().clamp_min(1e-30)
    moment = root @ root
    return moment / moment.diagonal().mean().clamp_min(1e-30)


def centre(
    better: nn.Module,
    last: Any,
    called: Called,
    sums: Sequence[Regression],
    weights: Sequence[Tensor],
) -> None:
    """Make the mean output what the original's is, in the bias or in the BatchNorm that follows."""
    means = [part.means() for part in sums]
    reached = torch.cat([weight @ x for weight, (x, _) in zip(weights, means)])
    aim = torch.cat([y for _, y in means])
    if last.bias is not None:
        last.bias.copy_(aim - reached)
    elif called.batchnorm is not None:
        running: Any = better.get_submodule(called.batchnorm).running_mean
        running.add_((reached - aim).to(running))
