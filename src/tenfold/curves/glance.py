"""model, Survey -> what keeping a half or a quarter of each layer would cost, at a glance: from the
plain spectrum of its weight, in seconds, without an input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import nn

from tenfold.compounds import open_for
from tenfold.curves.trace import Curve, relative, trace_curves
from tenfold.machine.progress import Progress, silent
from tenfold.network.accept import unwrapped
from tenfold.values import Site, Survey

SHARES = {"half": 0.5, "quarter": 0.25}  # of a layer's parameters
FORMAT = "svd"
WORK = 1e11  # multiply-accumulates of all decompositions together, some ten seconds
EIGEN = 10  # times the cube of its size that an eigen-decomposition takes

Losses = Mapping[str, "float | None"]


def glance(model: nn.Module, survey: Survey, progress: Progress = silent) -> dict[str, Losses]:
    """By layer and share the relative error of the weight (norm, not squared) at the best rank
    within it; None where no rank is. Layers that would take too long are left out, the largest
    first."""
    few = affordable(survey.sites)
    opened = open_for(unwrapped(model), (site.name for site in few))
    looked = replace(survey, sites=few)
    curves = trace_curves(opened, looked, formats=(FORMAT,), progress=progress)
    whole = {c.site.name: float(c.costs["params"][0]) for c in curves if c.format == "dense"}
    losses: dict[str, Losses] = {name: dict.fromkeys(SHARES) for name in whole}
    for curve in curves:
        if curve.format == FORMAT:
            name = curve.site.name
            losses[name] = {key: least(curve, SHARES[key] * whole[name]) for key in SHARES}
    return losses


def least(curve: Curve, params: float) -> float | None:
    """The least error at no more parameters."""
    within = relative(curve)[curve.costs["params"] <= params]
    return float(within.min()) if len(within) else None


def affordable(sites: Sequence[Site]) -> tuple[Site, ...]:
    """The sites that can be decomposed within ``WORK``, in their order; the quickest are taken."""
    spent, chosen = 0.0, set()
    for site in sorted(sites, key=work_of):
        spent += work_of(site)
        if spent <= WORK:
            chosen.add(site.name)
    return tuple(site for site in sites if site.name in chosen)


def work_of(site: Site) -> float:
    """What the Gram matrices of all groups and their eigenvectors take."""
    one = site.group
    sides = sorted((one.out_channels, one.in_channels * one.window))
    return site.groups * (sides[0] ** 2 * sides[1] + EIGEN * float(sides[0]) ** 3)
