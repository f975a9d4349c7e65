"""A latency table that is filled lazily, or that came from another device and is what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor

from tenfold.curves.trace import Curve
from tenfold.latency.interpolate import choose_axes, complete_axes, interpolate
from tenfold.latency.unit import Unit, units_of
from tenfold.values import Choice, Site, Survey

Measure = Callable[[Sequence[Unit]], Iterable[Mapping[str, float]]]  # milliseconds by key
COST = "latency"


class Ruler:
    """Milliseconds of units: those measured so far, and between them.

    Args:
        whole: milliseconds of the whole network.
        times: milliseconds by key; the dense unit of every site is among them.
        measure: yields more of them; None for a table from another device.
    """

    def __init__(
        self, whole: float, times: Mapping[str, float], measure: Measure | None = None
    ) -> None:
        self.whole = whole
        self.measure = measure
        self._scale = 1.0
        self._times: dict[str, float] = dict(times)
        self._ranks: dict[tuple[str, str], set[tuple[int, ...]]] = {}
        for key in times:
            self._note(key)

    def know(self, units: Iterable[Unit]) -> None:
        """Measure those that are not known yet."""
        missing = {u.key: u for u in units if u.key not in self._times}
        if missing and self.measure is not None:
            for found in self.measure(list(missing.values())):
                self._times.update({key: self._scale * value for key, value in found.items()})
                for key in found:
                    self._note(key)

    def knows(self, choice: Choice, site: Site) -> bool:
        """Whether the choice itself was measured, not something near it."""
        return all(u.key in self._times for u in units_of(site, choice.format, choice.ranks))

    def dense(self, site: Site) -> float:
        """Milliseconds of the layer as it is, over all its calls."""
        return sum(self._times[unit.key] for unit in units_of(site))

    def extend(self, survey: Survey) -> Survey:
        """The survey with the latency of the whole and of what lies outside all sites.

        Layers alone may take longer together than the network does, being called one by one;
        then every time is scaled down to it and nothing is left outside."""
        together = sum(self.dense(site) for site in survey.sites)
        if together > self.whole:
            self._scale *= (scale := self.whole / together)
            self._times = {key: scale * value for key, value in self._times.items()}
            together = self.whole
        return replace(
            survey,
            totals={**survey.totals, COST: self.whole},
            fixed={**survey.fixed, COST: self.whole - together},
        )

    def price(
        self, curves: Sequence[Curve], damages: Sequence[Tensor] = (), exact: bool = False
    ) -> tuple[list[Curve], list[Tensor]]:
        """Curves with their latency and damages, without the rows that are not faster than the
        dense layer; with ``exact`` only rows that were measured themselves. ``dense`` stays."""
        priced, kept = [], []
        for index, curve in enumerate(curves):
            times, known = self._curve_times(curve)
            keep = torch.ones(len(curve), dtype=torch.bool)
            if curve.format != "dense":
                keep = (times < self.dense(curve.site)) & (known if exact else keep)
            if bool(keep.any()):
                priced.append(_rows(curve, times, keep))
                kept += [damages[index][keep]] if damages else []
        return priced, kept

    def _curve_times(self, curve: Curve) -> tuple[Tensor, Tensor]:
        """Milliseconds a row, and which rows were measured themselves."""
        times = torch.zeros(len(curve), dtype=torch.float64)
        known = torch.ones(len(curve), dtype=torch.bool)
        for unit in units_of(curve.site, curve.format):
            found, measured = self._unit_times(unit, curve.ranks)
            times, known = times + found, known & measured
        return times, known

    def _unit_times(self, unit: Unit, ranks: Tensor) -> tuple[Tensor, Tensor]:
        """The same for one call of the site; infinite where a foreign table says nothing."""
        if not ranks.shape[1]:
            return torch.full(
                (len(ranks),), self._times[unit.key], dtype=torch.float64
            ), torch.ones(len(ranks)).bool()
        place, axes = (unit.place, unit.format), choose_axes(ranks)
        if self.measure is not None:
            self.know(replace(unit, ranks=node) for node in product(*axes))
        if ranks.shape[1] == 1 or self.measure is None:
            axes = complete_axes(sorted(self._ranks.get(place, ())))
        if not axes:
            return torch.full((len(ranks),), torch.inf, dtype=torch.float64), torch.zeros(
                len(ranks)
            ).bool()
        grid = [self._times[replace(unit, ranks=node).key] for node in product(*axes)]
        values = torch.tensor(grid, dtype=torch.float64).reshape([len(axis) for axis in axes])
        times = interpolate(axes, values, ranks)
        known = torch.zeros(len(ranks), dtype=torch.bool)
        for row, wanted in enumerate(map(tuple, ranks.tolist())):
            if wanted in self._ranks.get(place, ()):
                times[row], known[row] = self._times[replace(unit, ranks=wanted).key], True
        return times, known

    def _note(self, key: str) -> None:
        """Remember which ranks of a place and format are known."""
        place, _, what = key.rpartition(" as ")
        name, _, ranks = what.partition(" ")
        if ranks:
            found = tuple(int(rank) for rank in ranks.split("x"))
            self._ranks.setdefault((place, name), set()).add(found)


def constant(ranks: Tensor, value: float) -> Tensor:
    """The same time for every row."""
    return torch.full((len(ranks),), value, dtype=torch.float64)


def _rows(curve: Curve, times: Tensor, keep: Tensor) -> Curve:
    """The curve with its latency, and only some of its rows."""
    costs = {cost: values[keep] for cost, values in {**curve.costs, COST: times}.items()}
    errors = curve.errors[keep] if len(curve.errors) else curve.errors
    return replace(curve, ranks=curve.ranks[keep], errors=errors, costs=costs)
