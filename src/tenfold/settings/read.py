"""Settings as a text or a YAML file has them: ``"3"``, ``"yes"``, ``"svd,cp"``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tenfold.settings.check import wrong_kind
from tenfold.settings.fields import kind_of, may_be_none

YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
NONE = "none"  # sets a number to None; a value left blank leaves it at its default


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


def _names(value: Any) -> tuple[str, ...]:
    """A list of names, or a text with commas between them."""
    if not isinstance(value, (str, list, tuple)):
        raise TypeError(value)
    names = value.split(",") if isinstance(value, str) else map(str, value)
    return tuple(name.strip() for name in names)


READERS: Mapping[type, Callable[[Any], Any]] = {
    int: _whole,
    float: float,
    tuple: _names,
    bool: lambda value: YES_NO[str(value).lower()],
    str: str,
}
