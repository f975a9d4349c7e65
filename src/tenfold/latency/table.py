"""A table of layers timed on another device, as JSON that a stand-alone script writes: read,
checked, and held against a network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from tenfold.costs import Target, cost_named
from tenfold.errors import InputError, bad_value
from tenfold.latency.ruler import Ruler
from tenfold.latency.unit import units_of
from tenfold.machine.from_json import make
from tenfold.machine.read_json import read_json
from tenfold.values import Survey

COST = "latency"  # measure_table.py has a clock and no other meter
VERSION = 1
COUNTED = ("params", "macs")  # costs that tell one network from another


@dataclass(frozen=True)
class Table:
    """Milliseconds by key of a unit, those of the whole network, and where they were measured."""

    engine: str
    threads: int
    whole: float
    times: Mapping[str, float]
    conditions: Mapping[str, Any] = field(default_factory=dict)  # machine, versions
    network: Mapping[str, float] | None = None  # its COUNTED costs; of older tables unknown


def table_for(path: str | Path | None, target: Target | None) -> Table | None:
    """The table in a file, if there is one. Raises InputError where no limit could use it."""
    if path is not None and (target is None or target.cost != COST):
        raise bad_value(
            "A latency table needs a latency in the budget",
            "none" if target is None else cost_named(target.cost).one,
            "add one, as latency=0.5@onnxruntime, or leave the table out",
        )
    return read_table(path) if path is not None else None


def read_table(path: str | Path) -> Table:
    """The table in a JSON file. Raises InputError for anything else."""
    data = read_json(path, "A latency table", "check the path")
    if not isinstance(data, Mapping) or data.get("tenfold_latency") != VERSION:
        raise _refuse(path, f"no tenfold_latency: {VERSION}")
    try:
        known = {each.name for each in fields(Table)}
        table = make(Table, {name: value for name, value in data.items() if name in known})
    except ValueError as error:
        raise _refuse(path, str(error)) from error
    for key, value in {**table.times, "whole": table.whole}.items():
        if not (math.isfinite(value) and value > 0):
            raise _refuse(path, f"{value} ms for {key}")
    return table


def ruler_from_table(table: Table, survey: Survey, target: Target) -> Ruler:
    """The ruler of a table, which must be of the target's engine and of this network."""
    if (table.engine, table.threads) != (target.engine, target.threads):
        raise bad_value(
            f"The latency table must be of the budget's engine {target.engine} on "
            f"{target.threads} thread(s)",
            f"{table.engine} on {table.threads}",
            f"write latency=...@{table.engine}:{table.threads}",
        )
    way = "make one for this network and example with `tenfold table SOURCE --out DIR`"
    for site in survey.sites:
        for unit in units_of(site):
            if unit.key not in table.times:
                rule = "A latency table must hold every layer of the network"
                raise bad_value(rule, f"no {unit.place} ({site.name})", way)
    for cost in COUNTED:
        count = (table.network or survey.totals).get(cost)
        if count is None or count != survey.totals[cost]:
            rule = f"A latency table must be of this network, of {survey.totals[cost]:,.0f} {cost}"
            raise bad_value(rule, "none" if count is None else f"one of {count:,.0f}", way)
    return Ruler(target.cost, table.whole, table.times)


def _refuse(path: str | Path, found: str) -> InputError:
    return bad_value(
        "A latency table must hold positive milliseconds as measure_table.py writes them",
        f"{found} in {path}",
        "make it with `tenfold table SOURCE --out FOLDER`",
    )
