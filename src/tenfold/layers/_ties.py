"""Layers that have one weight: which they are, how their weights compare, and the site they are.

A table and the head that multiplies by it are the common case; two layers of one kind are another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from torch import Tensor, nn

from tenfold.layers._base import LAYERS, Kind
from tenfold.layers._read import describe, kind_of
from tenfold.network.identity import view_of
from tenfold.values import Call, Site


@dataclass(frozen=True)
class Place:
    """One of several layers with a common weight: whether its own is the transposed one of the
    first, and how many times it."""

    name: str
    turned: bool = False
    scale: float = 1.0


Ties: TypeAlias = Mapping[str, tuple[Place, ...]]  # all places, by the name of the first
Calls: TypeAlias = Mapping[str, Sequence[Call]]


def ties_of(model: nn.Module) -> dict[str, tuple[Place, ...]]:
    """Every group of layers with one weight of which all can share its factors: layers of one
    kind, and tables with the layers that multiply by them."""
    ties = (tie_of(owners) for owners in owners_of_weights(model))
    return {tie[0].name: tie for tie in ties if tie}


def owners_of_weights(model: nn.Module) -> Iterator[dict[str, nn.Module]]:
    """The layers that hold the same parameter as their weight, where there are several; of tensors
    that share their memory alone, each would be counted."""
    holders: dict[int, dict[str, nn.Module]] = {}
    for name, module in model.named_modules():
        weight = module._parameters.get("weight")
        if weight is not None and name:
            holders.setdefault(id(weight), {})[name] = module
    yield from (owners for owners in holders.values() if len(owners) > 1)


def tie_of(owners: Mapping[str, nn.Module]) -> tuple[Place, ...]:
    """The places, tables first; none where some layer cannot share factors with the first."""
    kinds = {name: kind_of(module) for name, module in owners.items()}
    if any(kind is None or kind.refuses(owners[name]) for name, kind in kinds.items()):
        return ()
    known = {name: kind for name, kind in kinds.items() if kind is not None}
    names = sorted(known, key=lambda name: not known[name].looks_up)
    first = names[0]
    places = [compared(known[first], owners[first], known[n], owners[n], n) for n in names]
    return tuple(p for p in places if p) if all(places) else ()


def compared(first: Kind, one: nn.Module, kind: Kind, other: nn.Module, name: str) -> Place | None:
    """Another layer beside the first; None where their weights are no views of the same numbers in
    one of the two orientations, or where a chain of the one is none of the other."""
    (weight, scale), (own, factor) = first.stored(one), kind.stored(other)
    turned = view_of(weight) != view_of(own)
    if turned and (weight.ndim != 2 or view_of(weight.T) != view_of(own) or not first.looks_up):
        return None
    here, there = first.describe(one, ""), kind.describe(other, name)
    alike = (here.kernel, here.groups) == (there.kernel, there.groups)
    return Place(name, turned, factor / scale) if alike and scale else None


def site_of(model: nn.Module, name: str, ties: Ties, calls: Calls | None = None) -> Site:
    """The geometry of a layer, with the other places of its weight. Raises InputError when no kind
    serves it."""
    seen = calls or {}
    first = describe(model.get_submodule(name), name, tuple(seen.get(name, ())))
    biases = [bias_at(model, name)]
    others = []
    for place in ties.get(name, ())[1:]:
        layer, bias = model.get_submodule(place.name), bias_at(model, place.name)
        own = bias is None or all(bias is not known for known in biases)
        biases.append(bias)
        site = describe(layer, place.name, tuple(seen.get(place.name, ())))
        others.append(replace(site, turned=place.turned, scale=place.scale, own_bias=own))
    return replace(first, others=tuple(others))


def bias_at(model: nn.Module, name: str) -> Tensor | None:
    """The bias of a layer that some kind serves, or None."""
    layer = model.get_submodule(name)
    kind = kind_of(layer)
    return kind.bias(layer) if kind else None


def only_looked_up(site: Site) -> bool:
    """Whether the weight is in tables alone, which multiply nothing."""
    return all(LAYERS[place.kind].looks_up for place in site.places)
