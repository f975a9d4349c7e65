"""What a search method is: a problem in, a selection that fits its budget out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tenfold.registry import Registry
from tenfold.search.problem import Problem, Selection


@dataclass(frozen=True)
class Outcome:
    """A row of each menu, the record of how it came about, and a bound where the method proved one
    that is no lower than the certificate's."""

    selection: Selection
    trace: tuple[Mapping[str, float], ...] = ()
    bound: float | None = None


Method = Callable[[Problem, int], Outcome]  # problem, seed

METHODS: Registry[Method] = Registry("method", "tenfold.search.methods")
