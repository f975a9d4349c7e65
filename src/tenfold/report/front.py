"""The front of quality against size: a plan a budget, and where it bends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tenfold.values import Plan


@dataclass(frozen=True)
class SweepPoint:
    """One budget: the ``amount`` as asked, its plan with what it costs and forecasts, the
    ``damage`` it predicts on the curves that all points share, and the ``quality`` of its network,
    in per cent or in the unit of a quality of one's own, where data were given."""

    amount: str
    plan: Plan
    damage: float
    quality: float | None = None

    @property
    def cost(self) -> str:
        """The cost that is limited."""
        return self.plan.budget[0].cost

    @property
    def budget(self) -> str:
        """As ``tenfold.plan`` takes it: ``"params=0.5"``."""
        return f"{self.cost}={self.amount}"

    @property
    def limit(self) -> float:
        """What may be kept, in the unit of the cost."""
        return self.plan.budget[0].value

    @property
    def kept(self) -> float:
        """The share of the cost that the plan keeps."""
        return self.plan.predicted[self.cost] / self.plan.before[self.cost]

    @property
    def agreement(self) -> float | None:
        """How far the network agrees with the original on inputs held apart."""
        return None if self.plan.forecast is None else self.plan.forecast.agreement


@dataclass(frozen=True)
class Unmet:
    """A budget that no plan can meet, and the sentence that says why."""

    amount: str
    reason: str


@dataclass(frozen=True)
class Sweep:
    """The points by falling budget, the budgets that cannot be met, and the original's quality."""

    cost: str
    points: tuple[SweepPoint, ...]
    unmet: tuple[Unmet, ...] = ()
    original: float | None = None

    @property
    def knee(self) -> SweepPoint | None:
        """Where the front bends: the point farthest above the chord from its first point to its
        last, with size and quality scaled to the same range.

        Quality is what was measured, else the agreement, else the damage turned round, whichever
        all points have. None where no point lies above the chord, as with fewer than three.
        """
        if len(self.points) < 3:
            return None
        sizes, worth = [p.kept for p in self.points], worth_of(self.points)
        heights = heights_over_chord(sizes, worth)
        best = max(range(len(heights)), key=lambda k: heights[k])
        return self.points[best] if heights[best] > 1e-9 else None


def worth_of(points: Sequence[SweepPoint]) -> list[float]:
    """How good each point is by the best measure that all have, more being better."""
    for values in ([p.quality for p in points], [p.agreement for p in points]):
        known = [value for value in values if value is not None]
        if len(known) == len(points):
            return known
    return [-p.damage for p in points]


def heights_over_chord(sizes: Sequence[float], worth: Sequence[float]) -> list[float]:
    """How far each point lies above the line from the first to the last, both axes from 0 to 1."""
    width, depth = sizes[0] - sizes[-1], worth[0] - worth[-1]
    if width <= 0 or depth <= 0:
        return [0.0] * len(sizes)
    return [(w - worth[-1]) / depth - (s - sizes[-1]) / width for s, w in zip(sizes, worth)]


def never_worse(points: Iterable[SweepPoint]) -> tuple[SweepPoint, ...]:
    """By falling budget; a plan that predicts more damage than that of a smaller budget gives way
    to it, for that one fits too."""
    kept: list[SweepPoint] = []
    for point in sorted(points, key=lambda each: each.limit):
        if kept and point.damage > kept[-1].damage:
            plan = replace(kept[-1].plan, budget=point.plan.budget)
            point = replace(kept[-1], amount=point.amount, plan=plan)
        kept.append(point)
    return tuple(reversed(kept))
