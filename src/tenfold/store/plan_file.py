"""Plan <-> JSON: a plan can be read, edited by hand, and checked when it comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from tenfold.errors import InputError, PlanError
from tenfold.formats import FORMATS
from tenfold.formats.metric import SIDES
from tenfold.machine.schema import upgrade
from tenfold.settings import PlanSettings
from tenfold.values import (
    Choice,
    ExampleShape,
    Excerpt,
    Forecast,
    Limit,
    Plan,
    Refusal,
    plain,
)

KEY = "tenfold_plan"
T = TypeVar("T")


def _from_version_1(body: dict[str, Any]) -> dict[str, Any]:
    """Version 1 kept what was asked and how it was reached in one bag of settings."""
    bag = dict(body["settings"])
    step = bag.pop("round_to", None)
    measured = {"latency": bag.pop("latency")} if bag.get("latency") else {}
    bag.pop("latency", None)
    moved = {
        "origin": bag.pop("metric", "frobenius"),
        "example": bag.pop("example", None),
        "measured": measured,
        "tuning": bag.pop("tuning", None),
    }
    settings = {**bag, "round_to": step if isinstance(step, int) else None}
    settings["method"] = body.get("method", "continuous")
    rest = {name: value for name, value in body.items() if name != "method"}
    return {**rest, **moved, "settings": settings}


def _from_version_2(body: dict[str, Any]) -> dict[str, Any]:
    """Version 2 took weights as they are wherever noise was all there was to measure on."""
    if body.get("origin") != "noise":
        return body
    return {**body, "choices": [{**choice, "metric": "plain"} for choice in body["choices"]]}


def _from_version_3(body: dict[str, Any]) -> dict[str, Any]:
    """Version 3 kept no points of the curves."""
    return {**body, "curves": []}


STEPS = (_from_version_1, _from_version_2, _from_version_3)
VERSION = len(STEPS) + 1


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """A dictionary of plain numbers, strings, lists and dictionaries."""
    body: dict[str, Any] = {KEY: VERSION, **asdict(plan)}
    return {key: plain(value) for key, value in body.items()}


def plan_from_json(data: Mapping[str, Any]) -> Plan:
    """The plan a dictionary stands for. Raises PlanError on anything else."""
    try:
        body = upgrade(data, KEY, STEPS) if isinstance(data, Mapping) and KEY in data else None
        if body is None:
            version = data.get(KEY) if isinstance(data, Mapping) else type(data).__name__
            raise PlanError(
                f"A plan must say {KEY}: {VERSION} or less, but found {version!r}; "
                "write it with plan_to_json or `tenfold plan`."
            )
        body["settings"] = _make(PlanSettings, body["settings"])
        if body["example"] is not None:
            body["example"] = _example(body["example"])
        if body.get("forecast") is not None:
            body["forecast"] = _make(Forecast, body["forecast"])
        body["choices"] = tuple(_choice(item) for item in body["choices"])
        names = [choice.site for choice in body["choices"]]
        if len(set(names)) < len(names):
            raise ValueError("a layer that is named twice")
        body["refusals"] = tuple(_make(Refusal, item) for item in body["refusals"])
        body["budget"] = tuple(_make(Limit, item) for item in body["budget"])
        body["trace"] = tuple(body.get("trace", ()))
        body["curves"] = tuple(_excerpt(item) for item in body.get("curves", ()))
        return _make(Plan, body)
    except PlanError:
        raise
    except InputError as error:  # a setting says itself what it must be
        raise PlanError(str(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PlanError(
            f"A plan must hold the fields that tenfold writes, but found {error}; "
            "edit formats and ranks only."
        ) from error


def _example(item: Mapping[str, Any]) -> ExampleShape:
    """Shape and type of the input, with its ids or its level if it has some."""
    ids, level = item.get("ids"), item.get("level")
    rows = None if ids is None else tuple(tuple(map(int, row)) for row in ids)
    pair = None if level is None else (float(level[0]), float(level[1]))
    return _make(ExampleShape, {**item, "shape": tuple(item["shape"]), "ids": rows, "level": pair})


def _choice(item: Mapping[str, Any]) -> Choice:
    """One line of the plan, its format and ranks of the right kind."""
    FORMATS[item["format"]]
    ranks = tuple(item["ranks"])
    if not all(isinstance(rank, int) and not isinstance(rank, bool) for rank in ranks):
        raise ValueError(f"ranks {ranks} of {item['site']}, which are not integers")
    if item.get("metric", SIDES[0]) not in SIDES:
        raise ValueError(f"the metric {item['metric']!r} of {item['site']}, none of {SIDES}")
    return _make(Choice, {**item, "ranks": ranks})


def _excerpt(item: Mapping[str, Any]) -> Excerpt:
    """Points of a curve; JSON has lists where they have tuples."""
    lists = {name: tuple(item[name]) for name in ("params", "errors", "damages")}
    return _make(Excerpt, {**item, **lists})


def _make(cls: type[T], item: Mapping[str, Any]) -> T:
    """The dataclass with exactly these fields."""
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    extra = set(item) - known
    if extra:
        raise ValueError(f"unknown fields {sorted(extra)}")
    return cls(**item)
