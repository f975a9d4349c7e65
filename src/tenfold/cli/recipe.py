"""A run as one frozen value: the flags of ``tenfold compress``, one to one, and a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from tenfold.errors import InputError, bad_value


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a run.

    Attributes are the command line's flags; ``out`` and ``threads`` are kept too, so that a
    saved recipe repeats the run as it was.
    """

    source: str = ""
    weights: str | None = None
    example: str | None = None
    budget: str = ""
    data: str | None = None
    validation: str | None = None
    epochs: int | None = None
    rate: float | None = None
    loss: str | None = None
    quality: str | None = None
    class_mode: str | None = None
    tuning: str | None = None
    calibration: str | None = None
    formats: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    round_to: int | None = None
    latency_table: str | None = None
    method: str = "continuous"
    refine: str = "layers"
    seed: int = 0
    threads: int | None = None
    out: str | None = None


def make_recipe(flags: Mapping[str, Any], config: str | Path | None = None) -> Recipe:
    """Flags over the recipe file over the defaults; a flag that is None was not given.

    Raises InputError for a file that cannot be read, an unknown key or a value of another type.
    """
    given = read_recipe(config) if config is not None else {}
    given.update({key: value for key, value in flags.items() if value not in (None, ())})
    recipe = Recipe(**{key: _typed(key, value) for key, value in given.items()})
    for name in ("source", "budget"):
        if not getattr(recipe, name):
            raise bad_value(
                f"A run needs a {name}", "none", f"give one, or write {name}: in a recipe"
            )
    return recipe


def read_recipe(path: str | Path) -> dict[str, Any]:
    """The keys of a YAML file."""
    try:
        found = yaml.safe_load(Path(path).read_text("utf-8"))
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        told = str(error).splitlines()[0]
        raise bad_value("A recipe must be a YAML file", f"{path}: {told}", "check it") from error
    known = [field.name for field in fields(Recipe)]
    if not isinstance(found, Mapping):
        raise bad_value(
            "A recipe must be a mapping", type(found).__name__, f"use {', '.join(known)}"
        )
    for key in found:
        if key not in known:
            raise bad_value("A recipe must hold known keys", repr(key), f"use {', '.join(known)}")
    return {key: value for key, value in found.items() if value is not None}  # left blank


def write_recipe(recipe: Recipe) -> str:
    """The recipe as YAML that ``read_recipe`` reads back; defaults are written out too."""
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(recipe).items()}
    return yaml.safe_dump(plain, sort_keys=False)


def _typed(key: str, value: Any) -> Any:
    """The value as the field wants it; ``name=value`` may be a mapping, a list one name."""
    if key in ("budget", "tuning") and isinstance(value, Mapping):
        return ",".join(f"{name}={amount}" for name, amount in value.items())
    if key in ("formats", "include", "exclude"):
        if not isinstance(value, (str, list, tuple)):
            raise _wrong_type(key, value, list)
        names = value.split(",") if isinstance(value, str) else map(str, value)
        return tuple(name.strip() for name in names)
    if value is None:
        return None
    wanted = {"epochs": int, "round_to": int, "seed": int, "threads": int, "rate": float}
    try:
        kind = wanted.get(key, str)
        if kind is int and (isinstance(value, bool) or int(value) != float(value)):
            raise ValueError(value)
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        raise _wrong_type(key, value, wanted[key]) from None


def _wrong_type(key: str, value: Any, kind: type) -> InputError:
    return bad_value(f"{key} must be of type {kind.__name__}", repr(value), "correct it")
