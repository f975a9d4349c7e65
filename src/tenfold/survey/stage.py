"""model, example -> Survey: the layers that can be factored, and why the others cannot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import nn

from tenfold.compounds import finish_all, inside, open_for, opened_names
from tenfold.costs import COSTS
from tenfold.formats import FORMATS
from tenfold.layers import kind_of, site_of, ties_of
from tenfold.network.accept import check_model, unwrapped
from tenfold.survey.calls import record_calls, siblings_of
from tenfold.survey.checks import check_finite, check_patterns, nothing_to_compress
from tenfold.survey.name_the_rest import name_the_rest
from tenfold.survey.read_by_network import looked_into, open_compounds
from tenfold.survey.reasons import (
    names_of_tensors,
    names_together,
    reason_after,
    reason_before,
    reason_shared,
    reasons_together,
)
from tenfold.values import Refusal, Site, Survey

# Named with the reason, also where no kind serves them: a person may wonder about these.
LINEAR = (nn.Linear, nn.modules.conv._ConvNd)


def survey(
    model: nn.Module,
    example: Any,
    *,
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
) -> Survey:
    """Run the model once on the example and list what can be factored, and everything else that
    holds parameters with the reason and its size.

    Names are those of the model with its compounds opened. ``include`` and ``exclude`` are shell
    patterns on them, or on the name of a compound for all that is in it; without ``include`` every
    layer counts. The model is left as it was. Raises InputError when the model does not
    run on the example, holds NaN or infinite weights, or has nothing that can be factored.
    """
    check_model(model)
    model = unwrapped(model)
    check_finite(model)
    sites, refusals = _sites(model, example, include, exclude)
    if not sites:
        raise nothing_to_compress(model, refusals)
    counted = finish_all(open_for(model, (site.name for site in sites)))
    totals = {name: COSTS[name].measure(counted, example) for name in COSTS}
    fixed = {
        name: max(0.0, totals[name] - sum(dense_cost(site, name) for site in sites))
        for name in COSTS
    }
    return Survey(tuple(sites), tuple(refusals), totals, fixed)


def _sites(
    model: nn.Module, example: Any, include: tuple[str, ...], exclude: tuple[str, ...]
) -> tuple[list[Site], list[Refusal]]:
    """The layers that can be factored, and all other parts with their reasons and sizes."""
    original = model
    model, closed = open_compounds(original, example)
    layers, opened = dict(_candidates(model)), opened_names(model)
    check_patterns(include + exclude, (*layers, *opened, *closed))
    ties = ties_of(model)
    tied = [[place.name for place in tie] for tie in ties.values()]
    together = names_together(list(layers), tied)
    reasons = {
        name: reason_before(together[name], layer, opened, include, exclude)
        for name, layer in layers.items()
    }
    runnable = {name: layer for name, layer in layers.items() if reasons[name] is None}
    calls, names = record_calls(model, runnable, example), names_of_tensors(model)
    for name in runnable:
        shared = reason_shared(model, name, names, together[name])
        reasons[name] = reason_after(name, runnable, calls) or shared
    reasons = reasons_together(reasons, tied)
    free = [name for name, reason in reasons.items() if reason is None]
    looks = looked_into(model, free, example)
    outside = [name for name in free if not any(inside(name, other) for other in opened)]
    if opened and outside:  # layers may be factored where the compounds stay as they were
        looks = looks.joined(looked_into(original, outside, example))
    read = dict(looks.reasons)
    for name in free:
        for other in () if calls.get(name) else siblings_of(name, looks.reasons):
            read[name] = looks.reasons[other]
    reasons = reasons_together({**reasons, **read}, tied)
    sites = [
        site_of(model, name, ties, calls)
        for name, reason in reasons.items()
        if reason is None and name == together[name][0]
    ]
    sites = [replace(site, poses=bool(looks.posing & set(together[site.name]))) for site in sites]
    reasons = {**closed, **reasons}
    order = (*(name for name in reasons if name not in read), *read)
    refusals = [Refusal(name, reason) for name in order if (reason := reasons[name]) is not None]
    rest = name_the_rest(model, sites, refusals)
    said = [f"{name}." for name in closed]  # with all that is in it
    return sites, [r for r in rest if r.params or not f"{r.name}.".startswith(tuple(said))]


def dense_cost(site: Site, cost: str) -> float:
    """What the layer costs as it is."""
    return float(COSTS[cost].total(FORMATS["dense"].ops(site, ())))


def _candidates(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Layers of a kind that could be factored, or that a person may wonder about."""
    for name, module in model.named_modules():
        if name and (isinstance(module, LINEAR) or kind_of(module) is not None):
            yield name, module
