"""Settings of any class: each value in its plain type and within its range, also as a text or a
YAML file has it, such as ``"3"``, ``"yes"`` or ``"svd,cp"``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
NONE = "none"  # sets a number to None; a value left blank leaves it at its default


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


def read_value(cls: type, name: str, value: Any) -> Any:
    """The value of a field from a text, or from what YAML makes of one.

    ``"none"`` stands for None where a number may be missing. Raises InputError for a value of
    another type.
    """
    kind = kind_of(cls, name)
    if kind in (int, float) and value == NONE and may_be_none(cls, name):
        return None
    try:
        return READERS[kind](value)
    except (TypeError, ValueError, KeyError, OverflowError):
        raise wrong_kind(cls, name, value) from None


def _whole(value: Any) -> int:
    """A whole number, also as 3.0."""
    if isinstance(value, bool) or int(value) != float(value):
        raise ValueError(value)
    return int(value)


def _split_names(value: Any) -> tuple[str, ...]:
    """A list of names, or a text with commas between them."""
    if not isinstance(value, (str, list, tuple)):
        raise TypeError(value)
    names = value.split(",") if isinstance(value, str) else map(str, value)
    return tuple(name.strip() for name in names)


READERS: Mapping[type, Callable[[Any], Any]] = {
    int: _whole,
    float: float,
    tuple: _split_names,
    bool: lambda value: YES_NO[str(value).lower()],
    str: str,
}
