"""``"precision=bf16,ema=0.999"`` -> the settings that it names."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from tenfold.errors import bad_value
from tenfold.training.settings import TuneSettings

FLAGS = ("epochs", "rate", "class_mode", "seed")  # which the command line has on their own
YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_settings(text: str) -> dict[str, Any]:
    """Fields of TuneSettings by name, each of its type; ``""`` is none of them.

    Raises InputError for a setting that is unknown, is a flag of its own, or has no such value.
    """
    return dict(_read(item.strip()) for item in text.split(",") if item.strip())


def _read(item: str) -> tuple[str, Any]:
    """One ``name=value``."""
    name, _, value = (part.strip() for part in item.partition("="))
    known = {field.name: type(field.default) for field in fields(TuneSettings)}
    if name in FLAGS:
        flag = f"--{name.replace('_', '-')}"
        raise bad_value("--tuning holds settings without a flag", name, f"use {flag}")
    if name not in known:
        others = ", ".join(other for other in known if other not in FLAGS)
        raise bad_value("--tuning must hold known settings", repr(item), f"use {others}")
    return name, _typed(name, value, known[name])


def _typed(name: str, value: str, kind: type) -> Any:
    """The value as the setting wants it."""
    try:
        found = YES_NO[value.lower()] if kind is bool else kind(value)
    except (KeyError, ValueError):
        found = math.nan
    if found != found:  # NaN, read or put in place of what could not be read
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise bad_value(f"{name} must be {wanted}", repr(value), "correct it")
    return found
