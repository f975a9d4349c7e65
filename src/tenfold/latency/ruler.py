"""What layers take of a measured cost: a table that is filled lazily, or that came from another
device and is what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor

from tenfold.curves.trace import Curve
from tenfold.latency.interpolate import choose_axes, complete_axes, interpolate
from tenfold.latency.unit import Unit, units_of
from tenfold.layers import only_looked_up
from tenfold.values import Choice, Site, Survey

Measure = Callable[[Sequence[Unit]], Iterable[Mapping[str, float]]]  # amounts by key


class Ruler:
    """Amounts that units take: of those measured so far, and between them.

    Args:
        cost: the name of the measured cost, whose unit all amounts have.
        whole: the amount of the whole network.
        amounts: by key of a unit; the dense unit of every site is among them.
        measure: yields more of them; None for a table from another device.
    """

    def __init__(
        self,
        cost: str,
        whole: float,
        amounts: Mapping[str, float],
        measure: Measure | None = None,
    ) -> None:
        self.cost = cost
        self.whole = whole
        self.measure = measure
        self._scale = 1.0
        self._amounts: dict[str, float] = dict(amounts)
        self._ranks: dict[tuple[str, str], set[tuple[int, ...]]] = {}
        for key in amounts:
            self._note(key)

    def know(self, units: Iterable[Unit]) -> None:
        """Measure those that are not known yet."""
        missing = {u.key: u for u in units if u.key not in self._amounts}
        if missing and self.measure is not None:
            for amounts in self.measure(list(missing.values())):
                self._amounts.update({key: self._scale * x for key, x in amounts.items()})
                for key in amounts:
                    self._note(key)

    def knows(self, choice: Choice, site: Site) -> bool:
        """Whether the choice itself was measured, not something near it."""
        return all(u.key in self._amounts for u in units_of(site, choice.format, choice.ranks))

    def dense(self, site: Site) -> float:
        """What the layer takes as it is, over all its calls."""
        return sum(self._amounts[unit.key] for unit in units_of(site))

    def extend(self, survey: Survey) -> Survey:
        """The survey with the cost of the whole and of what lies outside all sites.

        Layers alone may take more together than the network does, being called one by one; then
        every amount is scaled down to it and nothing is left outside."""
        together = sum(self.dense(site) for site in survey.sites)
        if together > self.whole:
            self._scale *= (scale := self.whole / together)
            self._amounts = {key: scale * value for key, value in self._amounts.items()}
            together = self.whole
        return replace(
            survey,
            totals={**survey.totals, self.cost: self.whole},
            fixed={**survey.fixed, self.cost: self.whole - together},
        )

    def price(
        self, curves: Sequence[Curve], damages: Sequence[Tensor] = (), exact: bool = False
    ) -> tuple[list[Curve], list[Tensor]]:
        """Curves with their cost and damages, without the rows that take no less than the dense
        layer, a table's aside; with ``exact`` only rows that were measured themselves. ``dense``
        stays."""
        priced, kept = [], []
        for index, curve in enumerate(curves):
            amounts, known = self._curve_amounts(curve)
            keep = torch.ones(len(curve), dtype=torch.bool)
            if curve.format != "dense":
                # a lookup takes next to no time, so that any chain in its place takes more
                most = torch.inf if only_looked_up(curve.site) else self.dense(curve.site)
                keep = (amounts < most) & (known if exact else keep)
            if bool(keep.any()):
                priced.append(_rows(curve, self.cost, amounts, keep))
                kept += [damages[index][keep]] if damages else []
        return priced, kept

    def _curve_amounts(self, curve: Curve) -> tuple[Tensor, Tensor]:
        """The amount of each row, and which rows were measured themselves."""
        amounts = torch.zeros(len(curve), dtype=torch.float64)
        known = torch.ones(len(curve), dtype=torch.bool)
        for unit in units_of(curve.site, curve.format):
            of_unit, measured = self._unit_amounts(unit, curve.ranks)
            amounts, known = amounts + of_unit, known & measured
        return amounts, known

    def _unit_amounts(self, unit: Unit, ranks: Tensor) -> tuple[Tensor, Tensor]:
        """The same for one call of the site; infinite where a foreign table says nothing."""
        if not ranks.shape[1]:
            return _constant(ranks, self._amounts[unit.key]), torch.ones(len(ranks)).bool()
        place, axes = (unit.place, unit.format), choose_axes(ranks)
        if self.measure is not None:
            self.know(replace(unit, ranks=node) for node in product(*axes))
        if ranks.shape[1] == 1 or self.measure is None:
            axes = complete_axes(sorted(self._ranks.get(place, ())))
        if not axes:
            return _constant(ranks, torch.inf), torch.zeros(len(ranks)).bool()
        grid = [self._amounts[replace(unit, ranks=node).key] for node in product(*axes)]
        values = torch.tensor(grid, dtype=torch.float64).reshape([len(axis) for axis in axes])
        amounts = interpolate(axes, values, ranks)
        known = torch.zeros(len(ranks), dtype=torch.bool)
        for row, wanted in enumerate(map(tuple, ranks.tolist())):
            if wanted in self._ranks.get(place, ()):
                amounts[row], known[row] = self._amounts[replace(unit, ranks=wanted).key], True
        return amounts, known

    def _note(self, key: str) -> None:
        """Remember which ranks of a place and format are known."""
        place, _, what = key.rpartition(" as ")
        name, _, ranks = what.partition(" ")
        if ranks:
            row = tuple(int(rank) for rank in ranks.split("x"))
            self._ranks.setdefault((place, name), set()).add(row)


def _constant(ranks: Tensor, value: float) -> Tensor:
    """The same amount for every row."""
    return torch.full((len(ranks),), value, dtype=torch.float64)


def _rows(curve: Curve, cost: str, amounts: Tensor, keep: Tensor) -> Curve:
    """The curve with a cost more, and only some of its rows."""
    costs = {name: values[keep] for name, values in {**curve.costs, cost: amounts}.items()}
    errors = curve.errors[keep] if len(curve.errors) else curve.errors
    return replace(curve, ranks=curve.ranks[keep], errors=errors, costs=costs)
