"""A field of settings: its help, its range and its type."""

from __future__ import annotations

import math
from dataclasses import Field, dataclass, field, fields
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Range:
    """What a value may be; None where there is no bound. ``above`` and ``below`` are excluded."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()

    def allows(self, value: Any) -> bool:
        """Whether a value lies in the range; NaN lies in none that has a bound."""
        return (
            (not self.choices or value in self.choices)
            and (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )

    @property
    def rule(self) -> str:
        """The range in words, to follow "must be"."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.least is not None and self.most is not None:
            return f"{self.least:g} to {self.most:g}"
        words = []
        if self.least is not None:
            words.append(f"{self.least:g} or more")
        if self.above is not None:
            words.append(f"above {self.above:g}")
        if self.most is not None:
            words.append(f"at most {self.most:g}")
        if self.below is not None:
            words.append("finite" if self.below == math.inf else f"below {self.below:g}")
        return " and ".join(words)


def setting(default: Any, about: str, **limits: Any) -> Any:
    """A field with its help in one line and its range, as ``least=0`` or ``choices=(...)``."""
    return field(default=default, metadata={"about": about, "range": Range(**limits)})


def fields_of(cls: type) -> dict[str, Field[Any]]:
    """The fields of a settings class by name."""
    return {each.name: each for each in fields(cls)}


def about(of: Field[Any]) -> str:
    """The help of a field."""
    return str(of.metadata.get("about", ""))


def range_of(of: Field[Any]) -> Range:
    """The range of a field; one without bounds where it states none."""
    limits = of.metadata.get("range")
    return limits if isinstance(limits, Range) else Range()


def kind_of(cls: type, name: str) -> type:
    """The plain type of a field: ``int`` for ``int | None``, ``tuple`` for a tuple of names."""
    kind = next(option for option in _options(cls, name) if option is not type(None))
    return get_origin(kind) or kind


def may_be_none(cls: type, name: str) -> bool:
    """Whether None is a value of the field."""
    return type(None) in _options(cls, name)


def _options(cls: type, name: str) -> tuple[Any, ...]:
    """The types that the field's annotation allows."""
    hint = _hints(cls)[name]
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


@cache
def _hints(cls: type) -> dict[str, Any]:
    """The annotations of a class, evaluated once: settings are made anew in every training step."""
    return get_type_hints(cls)
