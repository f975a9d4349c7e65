"""A run as one frozen value: the flags of ``tenfold compress``, one to one, and a YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tenfold.errors import bad_value
from tenfold.machine.read_json import read_yaml
from tenfold.machine.schema import Step, upgraded
from tenfold.settings import PlanSettings
from tenfold.settings.check import NONE, read_value
from tenfold.settings.fields import fields_of
from tenfold.training import TuneSettings, read_settings
from tenfold.training.read_settings import FLAGS

KEY = "tenfold_recipe"
STEPS: tuple[Step, ...] = ()
BLANK: tuple[Any, ...] = (None, "", (), [])


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a run.

    ``planning`` are the settings of the plan, ``tuning`` the changes that are made to the usual
    settings for the data; on the command line and in the file each of them stands under its own
    name beside the others. ``out`` and ``threads`` are kept too, so that a saved recipe repeats
    the run as it was.
    """

    source: str = ""
    weights: str | None = None
    example: str | None = None
    budget: str = ""
    data: str | None = None
    validation: str | None = None
    loss: str | None = None
    quality: str | None = None
    calibration: str | None = None
    threads: int | None = None
    out: str | None = None
    planning: PlanSettings = field(default_factory=PlanSettings)
    tuning: Mapping[str, Any] = field(default_factory=dict)

    @property
    def class_mode(self) -> int | None:
        """The mode of the output that runs over classes."""
        mode: int | None = self.tuning.get("class_mode", TuneSettings().class_mode)
        return mode


PLANNING = tuple(fields_of(PlanSettings))
TUNING = tuple(name for name in FLAGS if name not in PLANNING)  # flags; the rest is in --tuning
RUN = tuple(name for name in fields_of(Recipe) if name not in ("planning", "tuning"))
KEYS = (*RUN, *PLANNING, *TUNING, "tuning")


def make_recipe(
    flags: Mapping[str, Any],
    config: str | Path | None = None,
    needs: Sequence[str] = ("source", "budget"),
) -> Recipe:
    """Flags over the recipe file over the defaults; a flag that is None was left out.

    Raises InputError for a file that cannot be read, an unknown key or a value of another type.
    """
    values = read_recipe(config) if config is not None else {}
    values.update({name: value for name, value in flags.items() if value not in BLANK})
    recipe = assemble(values)
    for name in needs:
        if not getattr(recipe, name):
            raise bad_value(
                f"A run needs a {name}", "none", f"give one, or write {name}: in a recipe"
            )
    return recipe


def assemble(values: Mapping[str, Any]) -> Recipe:
    """The recipe of these keys, as texts or as YAML has them."""
    values = {**values, "budget": _joined(values.get("budget", ""))}
    run = {name: read_value(Recipe, name, values[name]) for name in RUN if name in values}
    tuning = {n: read_value(TuneSettings, n, values[n]) for n in TUNING if n in values}
    tuning |= read_settings(values.get("tuning", ""))
    return Recipe(**run, planning=read_planning(values), tuning=tuning)


def read_planning(values: Mapping[str, Any]) -> PlanSettings:
    """The settings of a plan among these keys; those that are None or missing are the usual."""
    names = [name for name in PLANNING if values.get(name) not in BLANK]
    return PlanSettings(**{name: read_value(PlanSettings, name, values[name]) for name in names})


def read_recipe(path: str | Path) -> dict[str, Any]:
    """The keys of a YAML file, without those that are left blank."""
    data = read_yaml(path, "A recipe")
    if not isinstance(data, Mapping):
        raise bad_value("A recipe must be a mapping", type(data).__name__, f"use {', '.join(KEYS)}")
    body = upgraded(data, KEY, STEPS, "A recipe")
    for name in body:
        if name not in KEYS:
            raise bad_value("A recipe must hold known keys", repr(name), f"use {', '.join(KEYS)}")
    return {name: value for name, value in body.items() if value not in BLANK}


def write_recipe(recipe: Recipe) -> str:
    """The recipe as YAML that ``read_recipe`` reads back; defaults are written out too."""
    changes = {name: NONE if value is None else value for name, value in recipe.tuning.items()}
    values = {
        KEY: len(STEPS) + 1,
        **{name: getattr(recipe, name) for name in RUN},
        **{name: _listed(value) for name, value in asdict(recipe.planning).items()},
        **{name: changes.pop(name, None) for name in TUNING},
        "tuning": changes or None,
    }
    return yaml.safe_dump(values, sort_keys=False)


def _joined(budget: Any) -> Any:
    """A budget that YAML has as a mapping, as one text."""
    if not isinstance(budget, Mapping):
        return budget
    return ",".join(f"{name}={amount}" for name, amount in budget.items())


def _listed(value: Any) -> Any:
    """Tuples as lists, which YAML can hold."""
    return list(value) if isinstance(value, tuple) else value
