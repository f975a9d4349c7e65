"""Sweep <-> directory: a plan a point, sweep.json with what was asked, and a page."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tenfold.errors import InputError, bad_value
from tenfold.machine.files import replacing
from tenfold.machine.from_json import make
from tenfold.machine.read_json import read_json
from tenfold.machine.schema import Step, upgraded
from tenfold.report.draw_front import draw_front
from tenfold.report.front import Sweep, SweepPoint
from tenfold.store.folder import read_plan
from tenfold.store.plan_file import plan_to_json
from tenfold.values import plain

KEY = "tenfold_sweep"
STEPS: tuple[Step, ...] = ()
POINT = ("amount", "damage", "quality")
FILE, PAGE = "sweep.json", "sweep.html"


def plan_name(amount: str) -> str:
    """The file of a point's plan, as ``plan_0.5.json``."""
    return f"plan_{re.sub(r'[^0-9A-Za-z.]', '_', amount)}.json"


def write_sweep(sweep: Sweep, folder: Path, asked: Mapping[str, Any]) -> None:
    """Every file whole or not at all, ``sweep.json`` last. Raises InputError when the folder cannot
    be written."""
    for point in sweep.points:
        put(folder / plan_name(point.amount), json.dumps(plan_to_json(point.plan), indent=1))
    put(folder / PAGE, draw_front(sweep))
    put(folder / FILE, json.dumps(sweep_to_json(sweep, asked), indent=1))


def put(path: Path, text: str) -> None:
    """The file with this text."""
    with replacing(path) as part:
        part.write_text(text + "\n", "utf-8")


def sweep_to_json(sweep: Sweep, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values; plans stand in files of their own."""
    body: dict[str, Any] = plain(
        {
            "asked": asked,
            "cost": sweep.cost,
            "original": sweep.original,
            "points": [point_to_json(point, sweep.knee) for point in sweep.points],
            "unmet": [asdict(each) for each in sweep.unmet],
        }
    )
    return {KEY: len(STEPS) + 1, **body}


def point_to_json(point: SweepPoint, knee: SweepPoint | None) -> dict[str, Any]:
    """One point, with what a reader wants to see of its plan."""
    forecast = point.plan.forecast
    return {
        "amount": point.amount,
        "plan": plan_name(point.amount),
        "damage": point.damage,
        "quality": point.quality,
        "knee": point == knee,
        "predicted": point.plan.predicted,
        "forecast": None if forecast is None else asdict(forecast),
    }


def read_sweep(folder: Path) -> tuple[Sweep, dict[str, Any]] | None:
    """A sweep and what was asked for it; None without one. Raises InputError for another file."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        body = upgraded(read_json(path, "A sweep"), KEY, STEPS, "A sweep")
        points = tuple(read_point(folder, x) for x in body["points"])
        swept = {name: body[name] for name in ("cost", "original", "unmet")}
        return make(Sweep, {**swept, "points": points}), dict(body["asked"])
    except InputError:
        raise
    except (OSError, LookupError, ArithmeticError, TypeError, ValueError, AttributeError) as error:
        raise bad_value(
            "A sweep must be one that tenfold wrote",
            f"{path}: {type(error).__name__} {error}",
            "name a new folder",
        ) from error


def read_point(folder: Path, told: Mapping[str, Any]) -> SweepPoint:
    """One point, whose plan is a file in the same folder."""
    plan = read_plan(folder / Path(told["plan"]).name)
    point = make(SweepPoint, {**{name: told[name] for name in POINT}, "plan": plan})
    if not 0 < point.kept < math.inf:
        raise ValueError(f"{point.kept} of the {point.cost} as what {told['plan']} keeps")
    return point
