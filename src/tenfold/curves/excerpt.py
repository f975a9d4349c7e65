"""Curves -> a few points of each, for a page to draw: nothing is decided by them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tenfold.curves.trace import Curve, relative
from tenfold.values import Excerpt

POINTS = 12  # a curve
DIGITS = 3  # that a picture shows


def take_excerpts(curves: Sequence[Curve], damages: Sequence[Tensor]) -> tuple[Excerpt, ...]:
    """One a curve, but for layers as they are, and for those whose errors are no numbers."""
    return tuple(_excerpts(curves, damages))


def _excerpts(curves: Sequence[Curve], damages: Sequence[Tensor]) -> Iterator[Excerpt]:
    for curve, damage in zip(curves, damages):
        rows = few_of(curve)
        if curve.format != "dense" and len(rows):
            yield Excerpt(
                curve.site.name,
                curve.format,
                tuple(int(x) for x in curve.costs["params"][rows].tolist()),
                rounded(relative(curve)[rows]),
                rounded(damage[rows]),
            )


def few_of(curve: Curve) -> Tensor:
    """Rows, cheapest first, that no cheaper row beats; evenly spread over the root of their
    parameters, with both ends."""
    params, errors = curve.costs["params"], curve.errors
    order = errors.argsort(stable=True)
    order = order[params[order].argsort(stable=True)]
    least = errors[order].cummin(0).values
    before = torch.cat([least.new_full((1,), torch.inf), least[:-1]])
    order = order[errors[order] < before]
    if len(order) <= POINTS:
        return order
    at = params[order].sqrt()
    wanted = torch.linspace(float(at[0]), float(at[-1]), POINTS, dtype=at.dtype)
    return order[torch.searchsorted(at, wanted).clamp_max(len(at) - 1).unique()]


def rounded(values: Tensor) -> tuple[float, ...]:
    """To the digits that a picture shows."""
    return tuple(float(f"{value:.{DIGITS}g}") for value in values.tolist())
