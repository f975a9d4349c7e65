"""Settings: frozen values whose fields say what they are for and what they may be.

The command line's flags, a recipe's keys and their help are made from these fields.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from operator import index
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from tenfold.errors import bad_value

S = TypeVar("S")


@dataclass(frozen=True)
class Range:
    """What a number may be; None where nothing is said. ``above`` and ``below`` are excluded."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()

    def rule(self, value: Any) -> str | None:
        """The rule that a value breaks, or None; NaN breaks every one."""
        if self.choices and value not in self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.least is not None and not value >= self.least:
            return f"{self.least:g} or more"
        if self.above is not None and not value > self.above:
            return f"above {self.above:g}"
        if self.most is not None and not value <= self.most:
            return f"at most {self.most:g}"
        if self.below is not None and not value < self.below:
            return f"below {self.below:g}"
        return None


def setting(default: Any, about: str, **limits: Any) -> Any:
    """A field with its help in one line and its range, as ``least=0`` or ``choices=(...)``."""
    return field(default=default, metadata={"about": about, "range": Range(**limits)})


def about(of: Field[Any]) -> str:
    """The help of a field."""
    return str(of.metadata.get("about", ""))


def kind_of(cls: type, name: str) -> type:
    """The plain type of a field: ``int`` for ``int | None``, ``tuple`` for a tuple of names."""
    hint = get_type_hints(cls)[name]
    if get_origin(hint) in (Union, UnionType):
        hint = next(option for option in get_args(hint) if option is not type(None))
    return get_origin(hint) or hint


def check_settings(settings: Any) -> None:
    """Put every field into its plain type. Raises InputError for one outside its range."""
    for each in fields(settings):
        value = _plain(settings, each)
        object.__setattr__(settings, each.name, value)
        limits = each.metadata.get("range")
        rule = limits.rule(value) if limits and value is not None else None
        if rule:
            raise bad_value(f"{each.name} must be {rule}", repr(value), "correct it")


def _plain(settings: Any, of: Field[Any]) -> Any:
    """A value that JSON can hold: numbers of libraries become Python's own."""
    value = getattr(settings, of.name)
    kind = kind_of(type(settings), of.name)
    if value is None and of.default is None:
        return value
    try:
        if kind is int:
            return index(value)
        if kind is float:
            number = float(value)
            if math.isnan(number):
                raise ValueError(value)
            return number
        if kind is tuple:
            return _names(value)
        if kind is bool or kind is str:
            return _exactly(kind, value)
    except (TypeError, ValueError):
        raise bad_value(f"{of.name} must be {WANTED[kind]}", repr(value), "correct it") from None
    return value


WANTED = {
    int: "a whole number",
    float: "a number",
    tuple: "a list of names",
    bool: "true or false",
    str: "a name",
}


def _names(value: Any) -> tuple[str, ...]:
    """Names in their order; one name alone is a list of one."""
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def _exactly(kind: type, value: Any) -> Any:
    """The value, which must be of that type; a path counts as its text."""
    if kind is str and hasattr(value, "__fspath__"):
        return str(value)
    if not isinstance(value, kind):
        raise TypeError(value)
    return value


def make_settings(
    cls: type[S], start: S | Mapping[str, Any] | None, changes: Mapping[str, Any]
) -> S:
    """Settings from settings or a mapping, with changes by name.

    Raises InputError for a name that is no setting, or a value that it cannot have.
    """
    usual = start if isinstance(start, cls) else cls()
    wanted = {**(start if isinstance(start, Mapping) else {}), **changes}
    known = [each.name for each in fields(cls)]  # type: ignore[arg-type]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise bad_value(
            f"{cls.__name__} must hold known names", repr(unknown[0]), f"use {', '.join(known)}"
        )
    return replace(usual, **wanted)  # type: ignore[type-var]


@dataclass(frozen=True)
class PlanSettings:
    """How to plan and build; every field is a keyword of ``tenfold.plan`` and ``compress``.

    ``formats``: names of allowed formats; all by default. ``include``, ``exclude``: shell patterns
    on qualified layer names. ``round_to``: ranks are multiples of this; 1 by default; 8, and 16 in
    layers of 64 channels and more, when a latency is limited. ``metric``: ``"synthetic"`` senses
    the network on inputs made from its BatchNorm statistics, ``"noise"`` measures damages on smooth
    noise, ``"frobenius"`` takes weights as they are, ``"auto"`` is the first where it can be, the
    second for other networks on images, else the third. ``latency_table``: a JSON file measured on
    another device, which a latency then holds for. ``refine``: without data still, ``"layers"``
    fits each layer to the original's outputs on the sensed inputs; ``"end-to-end"`` also trains
    ranks and factors of all layers together on more of them. ``seed``: of everything random; the
    caller's random state is not touched.
    """

    formats: tuple[str, ...] | None = setting(
        None, "Allowed formats, joined by commas; all by default."
    )
    include: tuple[str, ...] = setting(
        (), "Only layers whose name matches this shell pattern; repeatable."
    )
    exclude: tuple[str, ...] = setting(
        (), "Not the layers whose name matches this shell pattern; repeatable."
    )
    round_to: int | None = setting(
        None, "Ranks are multiples of this; 1 by default, 8 or 16 for a latency."
    )
    method: str = setting("continuous", "The search.")
    metric: str = setting("auto", "How errors are weighed.")
    latency_table: str | None = setting(
        None, "Times measured on another device, a JSON file of measure_table.py."
    )
    refine: str = setting(
        "layers",
        "Without data: layers fits layer by layer, end-to-end also trains ranks and factors "
        "together.",
        choices=("layers", "end-to-end"),
    )
    seed: int = setting(0, "The seed of every random choice.")

    def __post_init__(self) -> None:
        check_settings(self)
