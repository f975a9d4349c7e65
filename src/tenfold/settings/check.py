"""Settings of any class: each value in its plain type and within its range."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from operator import index
from typing import Any, TypeVar

from tenfold.errors import InputError, bad_value
from tenfold.settings.fields import fields_of, kind_of, may_be_none, range_of

S = TypeVar("S")
WANTED = {
    int: "a whole number",
    float: "a number",
    tuple: "a list of names",
    bool: "true or false",
    str: "a name",
}


def check_settings(settings: Any) -> None:
    """Put every field into its plain type. Raises InputError for one outside its range."""
    cls = type(settings)
    for name, each in fields_of(cls).items():
        value = getattr(settings, name)
        if value is None and may_be_none(cls, name):
            continue
        value = _plain(cls, name, value)
        limits = range_of(each)
        if not limits.allows(value):
            raise bad_value(f"{name} must be {limits.rule}", repr(value), "correct it")
        object.__setattr__(settings, name, value)


def make_settings(
    cls: type[S], start: S | Mapping[str, Any] | None, changes: Mapping[str, Any]
) -> S:
    """Settings from settings or a mapping, with changes by name.

    Raises InputError for a name that is no setting, or a value that it cannot have.
    """
    usual = start if isinstance(start, cls) else cls()
    values = {**(start if isinstance(start, Mapping) else {}), **changes}
    check_names(cls, values)
    return replace(usual, **values)  # type: ignore[type-var]


def check_names(cls: type, values: Mapping[str, Any]) -> None:
    """Raises InputError for a name that is no field of the class."""
    known = fields_of(cls)
    for name in values:
        if name not in known:
            raise bad_value(
                f"{cls.__name__} must hold known settings", repr(name), f"use {', '.join(known)}"
            )


def wrong_kind(cls: type, name: str, value: Any) -> InputError:
    """The error for a value of another type."""
    kind = kind_of(cls, name)
    none = " or none" if kind in (int, float) and may_be_none(cls, name) else ""
    return bad_value(f"{name} must be {WANTED[kind]}{none}", repr(value), "correct it")


def _plain(cls: type, name: str, value: Any) -> Any:
    """A value that JSON can hold: numbers of libraries become Python's own."""
    try:
        return PLAIN[kind_of(cls, name)](value)
    except (TypeError, ValueError):
        raise wrong_kind(cls, name, value) from None


def _number(value: Any) -> float:
    """A number that is one."""
    number = float(value)
    if math.isnan(number):
        raise ValueError(value)
    return number


def _names(value: Any) -> tuple[str, ...]:
    """Names in their order; one name alone is a list of one."""
    names = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(names)
    return names


def _flag(value: Any) -> bool:
    """True or false, also as 1 and 0."""
    if value not in (True, False):
        raise ValueError(value)
    return bool(value)


def _text(value: Any) -> str:
    """A text; a path counts as its text."""
    if hasattr(value, "__fspath__"):
        return str(value)
    if not isinstance(value, str):
        raise TypeError(value)
    return value


PLAIN = {int: index, float: _number, tuple: _names, bool: _flag, str: _text}
