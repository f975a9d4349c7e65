"""What was measured of other layers that stand for one which no input reached, as an expert."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from tenfold.curves.trace import Curve
from tenfold.survey.calls import siblings_of
from tenfold.values import Site

Point: TypeAlias = tuple[float, float]  # relative squared error, divergence
Points: TypeAlias = dict[int, list[Point]]  # by the place of a curve


def points_of(names: Sequence[str], points: Points, curves: Sequence[Curve]) -> list[Point]:
    """What was measured of these sites."""
    return [p for k, own in points.items() if curves[k].site.name in names for p in own]


def numbers_in(points: Sequence[Point]) -> list[Point]:
    """Those whose divergence was measured."""
    return [point for point in points if not math.isnan(point[1])]


def points_of_likes(site: Site, points: Points, curves: Sequence[Curve]) -> list[Point]:
    """What was measured of the sites of the same shape that run in its place on other inputs."""
    alike = {
        curve.site.name
        for curve in curves
        if replace(curve.site, name=site.name, calls=site.calls) == site
    }
    return numbers_in(points_of(siblings_of(site.name, sorted(alike)), points, curves))
