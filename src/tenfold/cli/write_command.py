"""A recipe -> the command that makes the same run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from tenfold.cli.recipe import PLANNING, RUN, TUNING, Recipe
from tenfold.settings import PlanSettings
from tenfold.settings.check import NONE

REPEATED = ("include", "exclude")  # flags that hold one pattern each


def write_command(recipe: Recipe) -> str:
    """``tenfold compress`` with every flag that is not left out, as a shell takes it."""
    return shlex.join(["tenfold", "compress", recipe.source, *words_of(recipe)])


def words_of(recipe: Recipe) -> Iterator[str]:
    """The flags and their values."""
    usual, tuning = PlanSettings(), dict(recipe.tuning)
    for name in RUN:
        if name != "source" and getattr(recipe, name) not in (None, ""):
            yield from flag(name, getattr(recipe, name))
    for name in PLANNING:
        value = getattr(recipe.planning, name)
        if value != getattr(usual, name):
            yield from flag(name, value)
    for name in TUNING:
        if name in tuning:
            yield from flag(name, tuning.pop(name))
    if tuning:
        yield from flag("tuning", ",".join(f"{name}={said(tuning[name])}" for name in tuning))


def flag(name: str, value: Any) -> Iterator[str]:
    """A flag with its value, or one for each of several patterns."""
    for one in value if name in REPEATED else [value]:
        yield from (f"--{name.replace('_', '-')}", said(one))


def said(value: Any) -> str:
    """A value as flags have it."""
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return NONE if value is None else str(value)
