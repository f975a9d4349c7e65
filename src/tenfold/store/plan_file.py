"""Plan <-> JSON: a plan can be read, edited by hand, and checked when it comes back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from tenfold.errors import InputError, PlanError
from tenfold.formats import FORMATS
from tenfold.formats.metric import SIDES
from tenfold.machine.from_json import make, shown
from tenfold.machine.schema import upgrade
from tenfold.settings import PlanSettings
from tenfold.settings.check import make_settings
from tenfold.values import Choice, ExampleShape, Plan, plain

KEY = "tenfold_plan"
MOST = 2**31  # numbers of an example


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
                f"A plan must say {KEY}: {VERSION} or less, but found {shown(version)}; "
                "write it with plan_to_json or `tenfold plan`."
            )
        return checked(make(Plan, {**body, "settings": read_settings(body)}))
    except PlanError:
        raise
    except InputError as error:  # a setting says itself what it must be
        raise PlanError(str(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PlanError(
            f"A plan must hold the fields that tenfold writes, but found {error}; "
            "edit formats and ranks only."
        ) from error


def read_settings(body: Mapping[str, Any]) -> PlanSettings:
    """What was asked. Raises InputError for a setting that is unknown or out of its range."""
    return make_settings(PlanSettings, None, body["settings"])


def checked(plan: Plan) -> Plan:
    """The plan, if what it names is known here. Raises ValueError, or InputError for a format."""
    names = [choice.site for choice in plan.choices]
    if len(set(names)) < len(names):
        raise ValueError("a layer that is named twice")
    for choice in plan.choices:
        check_choice(choice)
    if plan.example is not None:
        check_example(plan.example)
    return plan


def check_choice(choice: Choice) -> None:
    """One line of the plan."""
    FORMATS[choice.format]
    if choice.metric not in SIDES:
        raise ValueError(f"the metric {choice.metric!r} of {choice.site}, none of {SIDES}")


def check_example(example: ExampleShape) -> None:
    """The input that is made again when the plan is applied."""
    if not isinstance(getattr(torch, example.dtype, None), torch.dtype):
        raise ValueError(f"an example of the type {example.dtype!r}, which torch does not have")
    if not all(size > 0 for size in example.shape) or math.prod(example.shape) > MOST:
        raise ValueError(f"an example of the shape {shown(example.shape)}")
