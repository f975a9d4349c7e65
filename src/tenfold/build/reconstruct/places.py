"""model, Plan -> what can be fitted: each replaced layer that computes from what lies before it.

A lookup sees in the compressed network what it sees in the original, so that the decomposition in
the metric is its fit already; a link that several layers share is fitted for none of them, and a
depthwise layer and its like are not: they would be a fit a channel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from tenfold.formats import FORMATS
from tenfold.formats.places import relations, shared_links
from tenfold.layers import LAYERS, site_of, ties_of
from tenfold.values import Choice, Plan, Site


@dataclass(frozen=True)
class Fittable:
    """One layer for itself, what its weight became, and the links that are its own."""

    choice: Choice
    place: Site
    free: tuple[int, ...]


def fittable(model: nn.Module, plan: Plan) -> dict[str, Fittable]:
    """By name every layer of which some link can be fitted."""
    ties = ties_of(model)
    return {
        fit.place.name: fit
        for choice in plan.choices
        if choice.format != "dense"
        for fit in fits_of(choice, site_of(model, choice.site, ties))
        if fit.free and not fit.place.lone and not LAYERS[fit.place.kind].looks_up
    }


def fits_of(choice: Choice, site: Site) -> Iterator[Fittable]:
    """The places of a weight; of one place alone, all links are its own."""
    first, *others = site.places
    links = range(len(FORMATS[choice.format].chain(first.group, choice.ranks)))
    yield Fittable(choice, first, () if others else tuple(links))
    alike = Counter((place.turned, place.scale) for place in others)
    for place, repeated in relations(others):
        shared = shared_links(place, len(links), repeated)
        alone = alike[place.turned, place.scale] == 1
        yield Fittable(choice, place, tuple(k for k in links if alone and k not in shared))
