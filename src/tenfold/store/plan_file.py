"""Plan <-> JSON: a plan can be read, edited by hand, and checked when it comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from tenfold.errors import PlanError
from tenfold.formats import FORMATS
from tenfold.values import Choice, Limit, Plan, Refusal, plain

VERSION = 1
T = TypeVar("T")


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """A dictionary of plain numbers, strings, lists and dictionaries."""
    body: dict[str, Any] = {"tenfold_plan": VERSION, **asdict(plan)}
    return {key: plain(value) for key, value in body.items()}


def plan_from_json(data: Mapping[str, Any]) -> Plan:
    """The plan a dictionary stands for. Raises PlanError on anything else."""
    if not isinstance(data, Mapping) or data.get("tenfold_plan") != VERSION:
        found = data.get("tenfold_plan") if isinstance(data, Mapping) else type(data).__name__
        raise PlanError(
            f"A plan must say tenfold_plan: {VERSION}, but found {found!r}; "
            "write it with plan_to_json or `tenfold plan`."
        )
    body = {key: value for key, value in data.items() if key != "tenfold_plan"}
    try:
        seed = body["settings"].get("seed", 0)
        if not isinstance(seed, int):
            raise ValueError(f"a seed {seed!r}, which is not an integer")
        body["choices"] = tuple(_choice(item) for item in body["choices"])
        names = [choice.site for choice in body["choices"]]
        if len(set(names)) < len(names):
            raise ValueError("a layer that is named twice")
        body["refusals"] = tuple(_make(Refusal, item) for item in body["refusals"])
        body["budget"] = tuple(_make(Limit, item) for item in body["budget"])
        body["trace"] = tuple(body.get("trace", ()))
        return _make(Plan, body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PlanError(
            f"A plan must hold the fields that tenfold writes, but found {error}; "
            "edit formats and ranks only."
        ) from error


def _choice(item: Mapping[str, Any]) -> Choice:
    """One line of the plan, its format and ranks of the right kind."""
    FORMATS[item["format"]]
    ranks = tuple(item["ranks"])
    if not all(isinstance(rank, int) and not isinstance(rank, bool) for rank in ranks):
        raise ValueError(f"ranks {ranks} of {item['site']}, which are not integers")
    return _make(Choice, {**item, "ranks": ranks})


def _make(cls: type[T], item: Mapping[str, Any]) -> T:
    """The dataclass with exactly these fields."""
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    extra = set(item) - known
    if extra:
        raise ValueError(f"unknown fields {sorted(extra)}")
    return cls(**item)
