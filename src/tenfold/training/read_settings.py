"""``"precision=bf16,ema=0.999"`` -> the settings that it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenfold.errors import bad_value
from tenfold.settings.check import read_value
from tenfold.settings.fields import fields_of
from tenfold.training.settings import TuneSettings

FLAGS = ("epochs", "rate", "class_mode", "seed")  # which the command line has on their own
OTHERS = tuple(name for name in fields_of(TuneSettings) if name not in FLAGS)


def read_settings(text: str | Mapping[str, Any]) -> dict[str, Any]:
    """Fields of TuneSettings by name, each of its type; ``""`` is none of them. A mapping holds
    values as YAML has them.

    Raises InputError for a setting that is unknown, is a flag of its own, or has no such value.
    """
    if not isinstance(text, (str, Mapping)):
        raise bad_value("--tuning must be a text or a mapping", repr(text), "write name=value")
    values = text if isinstance(text, Mapping) else _split(text)
    for name in values:
        if name in FLAGS:
            flag = f"--{name.replace('_', '-')}"
            raise bad_value("--tuning holds settings without a flag", name, f"use {flag}")
        if name not in OTHERS:
            raise bad_value(
                "--tuning must hold known settings", repr(name), f"use {', '.join(OTHERS)}"
            )
    return {name: read_value(TuneSettings, name, value) for name, value in values.items()}


def _split(text: str) -> dict[str, str]:
    """Names and values of ``name=value``, joined by commas; what follows without a name of its own
    belongs to the list before it, as in ``losses=relations:0.5,features:2``."""
    values: dict[str, str] = {}
    last = ""
    for item in filter(str.strip, text.split(",")):
        name, sign, value = item.partition("=")
        if sign or not last:
            last = name.strip()
            values[last] = value.strip()
        else:
            values[last] += f",{item.strip()}"
    return values
