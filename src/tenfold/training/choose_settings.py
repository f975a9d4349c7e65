"""Settings for the data at hand: gentle ones for few inputs or made ones, with what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from torch import Tensor

from tenfold.data.few import Blends
from tenfold.errors import bad_value
from tenfold.training.settings import GENTLE, MADE, TuneSettings


def settings_for(
    data: Any, asked: TuneSettings | Mapping[str, Any] | None, seed: int, epochs: int | None
) -> TuneSettings:
    """All settings, where they are given as such; names and values are set among the usual ones.

    Raises InputError for a name that is no setting, or a value that it cannot have.
    """
    changes: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    if isinstance(asked, TuneSettings):
        return replace(asked, **changes)
    known = [field.name for field in fields(TuneSettings)]
    unknown = [name for name in asked or {} if name not in known]
    if unknown:
        raise bad_value("tuning must hold known settings", unknown[0], f"use {', '.join(known)}")
    return replace(usual_for(data), **{"seed": seed, **(asked or {}), **changes})


def usual_for(data: Any) -> TuneSettings:
    """By the kind of data."""
    if isinstance(data, str):
        return MADE
    return GENTLE if isinstance(data, (Tensor, Blends)) else TuneSettings()
