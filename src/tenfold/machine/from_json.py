"""Plain values of JSON -> the frozen dataclass that they stand for, each of its annotated type."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def make(cls: type[T], data: Any) -> T:
    """The dataclass with exactly these fields. JSON has lists for tuples, and None for numbers
    that it cannot hold; a field that is one of ``cls`` already is taken as it is.

    Raises ValueError, which names the field, for one that is missing, unknown or of another type.
    """
    if isinstance(data, cls):
        return data
    if not isinstance(data, Mapping):
        raise wrong(cls.__name__, data, "a mapping")
    known, needed = fields_of(cls)  # type: ignore[arg-type]
    for name in [*data, *needed]:
        if name not in known or name not in data:
            state = "no" if name in known else "an unknown"
            raise ValueError(f"{state} {shown(name)} in {cls.__name__}")
    return cls(**{name: value_of(known[name], x, f"{name}") for name, x in data.items()})


@cache
def fields_of(cls: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The types of a dataclass's fields by name, and the names of those without a default."""
    hints = get_type_hints(cls)
    needed = (x.name for x in fields(cls) if x.default is x.default_factory is MISSING)
    return {each.name: hints[each.name] for each in fields(cls)}, tuple(needed)


def value_of(kind: Any, value: Any, name: str) -> Any:
    """A value of an annotated type: a plain one, a dataclass, a tuple, a mapping, or one of these
    or None."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        (kind,) = (each for each in inside if each is not type(None))
        return None if value is None else value_of(kind, value, name)
    if origin is tuple:
        return tuple_of(inside, value, name)
    if origin is not None and issubclass(origin, Mapping):
        return mapping_of(inside[1], value, name)
    if is_dataclass(kind):
        return make(kind, value)  # type: ignore[arg-type]
    return value if kind is Any else plain_of(kind, value, name)


def tuple_of(inside: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:
    """Values of one type, as many as there are, or one of each type."""
    if not isinstance(value, (list, tuple)):
        raise wrong(name, value, "a list")
    kinds = (inside[0],) * len(value) if inside[-1] is ... else inside
    if len(kinds) != len(value):
        raise wrong(name, value, f"a list of {len(kinds)}")
    return tuple(value_of(kind, item, name) for kind, item in zip(kinds, value))


def mapping_of(kind: Any, value: Any, name: str) -> dict[str, Any]:
    """Values of one type by name."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise wrong(name, value, "a mapping")
    return {key: value_of(kind, item, f"{name}.{key}") for key, item in value.items()}


def plain_of(kind: Any, value: Any, name: str) -> Any:
    """A text, a truth value, or a number; None for NaN."""
    if kind is float and value is None:
        return math.nan
    known = (int, float) if kind is float else kind
    if not isinstance(value, known) or (isinstance(value, bool) and kind is not bool):
        raise wrong(name, value, WORDS[kind])
    if kind is float and not abs(value) <= LARGEST:
        raise wrong(name, value, "a finite number")
    return value


WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
LARGEST = 1e308


def wrong(name: str, value: Any, wanted: str) -> ValueError:
    """The error for a value of another type."""
    return ValueError(f"{shown(value)} as {name}, which must be {wanted}")


def shown(value: Any) -> str:
    """A value as text, in short, however large it is."""
    return reprlib.repr(value)
