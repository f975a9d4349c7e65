"""What a cost is: a quantity that a budget limits, with a unit, read from text and put in words."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tenfold.errors import BudgetError
from tenfold.values import Site

COUNTS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
SURE = 100  # a number alone is a share up to 1, and a count from here on; between, it is unclear
LITTLE = 1e-6  # of a unit; what is less is the rounding of a sum
NUMBER = r"[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?"
AMOUNT = re.compile(rf"\s*({NUMBER})\s*(%|[a-z]*)\s*", re.IGNORECASE)
WAY_OUT = "write a share such as params=0.2 or params=20%, or a count such as params=54k"


@dataclass(frozen=True)
class Target:
    """What a limit on a measured cost holds for; ``share`` when it is a share of the original's."""

    cost: str
    engine: str
    threads: int
    share: bool

    def noted(self) -> dict[str, Any]:
        """What a plan notes of it, under the name of the cost."""
        return {"engine": self.engine, "threads": self.threads, "share": self.share}


class Cost(ABC):
    """A quantity of a network that a budget can limit; counted or measured.

    ``noun`` says what it is in a sentence ("multiply-accumulates", "time"); ``unit`` stands behind
    a number and is empty for counts; ``units`` are those that a limit may be written in, with
    their size in ``unit``; ``amount`` and ``sample`` show how an absolute limit is written.
    ``decimals`` are said; ``tolerance`` is relative.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    unit: ClassVar[str] = ""
    units: ClassVar[Mapping[str, float]] = COUNTS
    amount: ClassVar[str] = "a count"
    sample: ClassVar[str] = "54k"
    decimals: ClassVar[int] = 2
    tolerance: ClassVar[float] = 1e-6

    @abstractmethod
    def target(self, text: str) -> Target | None:
        """What a limit, as written, holds for: an engine where the cost is measured, None where
        it is counted. Raises BudgetError for an engine that it cannot hold for."""

    def step(self, site: Site) -> int:
        """Ranks of a site are multiples of this where the cost is limited."""
        return 1

    def share(self, text: str) -> float | None:
        """The share that is written, as 0.2 or 20%, or None for an amount. Raises BudgetError."""
        match = AMOUNT.fullmatch(text)
        if not match or match[2] not in ("", "%"):
            return None
        number = _number(match[1])
        if math.isinf(number):
            raise self._refuse(f"A limit on {self.name} must be finite", text)
        if not match[2] and "" in self.units and number >= SURE:
            return None
        number = number / 100 if match[2] else number
        if not 0 < number <= 1:
            raise self._refuse(f"A share of {self.name} must be above 0 and at most 1", text)
        return number

    def read(self, text: str) -> float:
        """An amount such as ``54k`` or ``3ms`` in the unit of the cost. Raises BudgetError."""
        match = AMOUNT.fullmatch(text)
        size = self._size(match[2]) if match else None
        if match is None or size is None:
            raise self._refuse(f"A limit on {self.name} must be a share or {self.amount}", text)
        value = _number(match[1]) * size
        if math.isinf(value):
            raise self._refuse(f"A limit on {self.name} must be finite", text)
        if value <= 0:
            raise self._refuse(f"A limit on {self.name} must be above 0", text)
        return value

    def say(self, value: float) -> str:
        """``"1,234"`` for a count, ``"0.30 mJ"`` for what has a unit; and digits for a little."""
        if not self.unit:
            return f"{value:,.0f}"
        text = f"{value:.{self.decimals}f}"
        little = abs(value) > LITTLE and not float(text)
        return f"{value:.2g} {self.unit}" if little else f"{text} {self.unit}"

    def close(self, value: float, expected: float) -> bool:
        """Whether a value is what was expected, within the tolerance of the cost."""
        return abs(value - expected) <= self.tolerance * abs(expected)

    @property
    def one(self) -> str:
        """``"a latency"``."""
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"

    @property
    def way_out(self) -> str:
        """How a limit is written."""
        if not self.unit:
            return WAY_OUT
        return (
            f"write a share such as {self.name}=0.5, "
            f"or {self.amount} such as {self.name}={self.sample}"
        )

    def _size(self, unit: str) -> float | None:
        """The size of a unit as it is written or, where that is unknown, in any case: mJ is not
        MJ where a cost has both."""
        any_case: dict[str, float] = {}
        for name, size in self.units.items():
            any_case.setdefault(name.lower(), size)
        return self.units.get(unit, any_case.get(unit.lower()))

    def _refuse(self, rule: str, found: str) -> BudgetError:
        return BudgetError(f"{rule}, but found {found!r}; {self.way_out}.")


def _number(text: str) -> float:
    """A number that may have commas between thousands."""
    return float(text.replace(",", ""))
