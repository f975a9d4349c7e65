"""Begin a limit on a measured cost: the network and its dense layers are measured in one run, then
other layers as the search asks for them, always beside the dense layer that they replace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from tenfold.costs import MEASURED, Target
from tenfold.deploy.prepare import prepare, prepare_layer
from tenfold.latency.cache import add_shares, conditions, read_shares
from tenfold.latency.ruler import Ruler
from tenfold.latency.table import Table, ruler_from_table
from tenfold.latency.unit import Unit, units_of
from tenfold.machine.processes import torch_threads
from tenfold.machine.progress import Progress, silent
from tenfold.runtimes import check_available
from tenfold.values import Survey

TOGETHER = 6  # units a group, so that a group is over before the machine has drifted
RUNS, WARMUP, SECONDS = 40, 3, 0.3  # of a group


def start_ruler(
    model: nn.Module,
    example: Any,
    survey: Survey,
    target: Target,
    table: Table | None = None,
    progress: Progress = silent,
) -> Ruler:
    """The ruler of a target: measured here, or read from another device's table.

    Raises MissingExtra when the engine is not installed, InputError when the table is of
    another engine or lacks a layer of this network."""
    if table is not None:
        return ruler_from_table(table, survey, target)
    dense = list({u.key: u for site in survey.sites for u in units_of(site)}.values())
    whole, anchors = measure_whole(model, example, dense, target)
    held_for = conditions(check_available(target.engine), target.threads)
    by_place = {unit.place: anchors[unit.key] for unit in dense}

    def measure(units: Sequence[Unit]) -> Iterator[Mapping[str, float]]:
        """Amounts by key: first of units measured before, then group by group of the others."""
        earlier = read_shares(target.cost, held_for)
        known = {u.key: earlier[u.key] * by_place[u.place] for u in units if u.key in earlier}
        yield known
        missing = [unit for unit in units if unit.key not in known]
        places = {unit.key: unit.place for unit in missing}
        for shares in measure_shares(missing, target, progress):
            add_shares(target.cost, held_for, shares)
            yield {key: share * by_place[places[key]] for key, share in shares.items()}

    return Ruler(target.cost, whole, anchors, measure)


def measure_whole(
    model: nn.Module, example: Any, dense: Sequence[Unit], target: Target
) -> tuple[float, dict[str, float]]:
    """Amounts of the whole network and of its dense layers, all runs in turn."""
    with torch_threads(target.threads):
        whole = prepare(check_available(target.engine), model, example, target.threads)
        runs = {"": whole, **prepared(dense, target)}
        readings = MEASURED[target.cost].readings(runs, RUNS, WARMUP, 10 * SECONDS)
    amounts = {key: reading.steady for key, reading in readings.items()}
    return amounts.pop(""), amounts


def measure_shares(
    units: Sequence[Unit], target: Target, progress: Progress = silent
) -> Iterator[Mapping[str, float]]:
    """Group by group, each unit's amount as a share of its dense layer's in the same run.

    Shares outlive a machine that is slower today."""
    places: dict[str, list[Unit]] = {}
    for unit in units:
        places.setdefault(unit.place, []).append(unit)
    done = 0
    for members in places.values():
        for start in range(0, len(members), TOGETHER):
            group = members[start : start + TOGETHER]
            amounts = measure_units([Unit(group[0].site), *group], target)
            dense = next(iter(amounts.values()))
            done += len(group)
            progress(f"{target.cost} table", done, len(units))
            yield {unit.key: amounts[unit.key] / dense for unit in group}


def measure_units(units: Sequence[Unit], target: Target) -> dict[str, float]:
    """The amount of each unit, all runs in turn."""
    with torch_threads(target.threads):
        runs = prepared(units, target)
        readings = MEASURED[target.cost].readings(runs, RUNS, WARMUP, SECONDS)
    return {key: reading.steady for key, reading in readings.items()}


def prepared(units: Sequence[Unit], target: Target) -> dict[str, Any]:
    """Runs of units on the engine, by key."""
    engine = check_available(target.engine)
    return {u.key: prepare_layer(engine, u.module(), u.example(), target.threads) for u in units}
