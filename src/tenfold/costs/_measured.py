"""A cost that is measured: what a clock or a meter says of a run on an engine."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import ClassVar

from tenfold.costs._base import Cost, Target
from tenfold.errors import BudgetError, bad_value
from tenfold.machine.timing import Run, in_turn
from tenfold.registry import Registry
from tenfold.runtimes import ENGINES


@dataclass(frozen=True)
class Reading:
    """What one run takes, in the cost's unit: the median of several runs, and the lower quartile
    of their steady parts."""

    median: float
    steady: float


class MeasuredCost(Cost):
    """A quantity that only a run on an engine shows. ``gain`` says what less of it is in a
    sentence ("2.00x faster"); a prediction within ``tolerance`` is called good."""

    gain: ClassVar[str] = "less"
    tolerance: ClassVar[float] = 0.1

    @abstractmethod
    def meter(self, run: Run) -> tuple[float, float]:
        """What one run takes, and a part of it that other work on the machine disturbs less, from
        which ratios are taken; where a meter cannot tell them apart, the same twice."""

    def readings(
        self, runs: Mapping[str, Run], times: int, warmup: int, seconds: float
    ) -> dict[str, Reading]:
        """Meter the runs in turn, each ``times`` times after ``warmup`` rounds, or fewer times
        once ``seconds`` have passed. Raises InputError where the meter is too coarse."""
        taken = in_turn(self.meter, runs, times, warmup, seconds)
        readings = {name: summarise(*zip(*amounts)) for name, amounts in taken.items()}
        least = min((reading.steady for reading in readings.values()), default=math.inf)
        if not least > 0:
            raise bad_value(
                f"A meter of {self.noun} must say more than 0 of every layer",
                self.say(least),
                "measure a larger example",
            )
        return readings

    def target(self, text: str) -> Target:
        """The engine behind ``0.3@onnxruntime`` or ``3ms@onnxruntime:2`` (two threads); PyTorch
        eager on one thread where none is named."""
        amount, _, place = text.partition("@")
        engine, _, threads = place.partition(":")
        share = self.share(amount)
        if share is None:
            self.read(amount)
        if engine and engine not in ENGINES:
            raise BudgetError(
                f"{self.one.capitalize()} must name a known engine, but found {engine!r}; "
                f"choose from {', '.join(ENGINES)}."
            )
        if threads and not (threads.isdecimal() and int(threads) > 0):
            raise BudgetError(
                f"{self.one.capitalize()} must name a number of threads after the colon, but found "
                f"{threads!r}; write {self.name}=0.5@onnxruntime:2."
            )
        return Target(self.name, engine or "eager", int(threads or 1), share is not None)

    @property
    def reached_key(self) -> str:
        """Under what name a plan notes what its network was measured to take: ``"reached_ms"``."""
        return f"reached_{self.unit}"


def summarise(amounts: Sequence[float], steady: Sequence[float]) -> Reading:
    """One reading of several runs."""
    if len(amounts) < 2:
        return Reading(amounts[0], steady[0])
    return Reading(median(amounts), quantiles(steady, n=4, method="inclusive")[0])


MEASURED: Registry[MeasuredCost] = Registry("measured cost", "tenfold.costs")
