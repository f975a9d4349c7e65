"""Begin a latency budget: the network and its dense layers are timed once, in one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from tenfold.deploy.prepare import prepare
from tenfold.errors import bad_value
from tenfold.latency.cache import add_shares, conditions, read_shares
from tenfold.latency.measure import measure_ratios, time_whole
from tenfold.latency.ruler import Ruler
from tenfold.latency.table import Table
from tenfold.latency.unit import Unit, units_of
from tenfold.machine.progress import Progress, silent
from tenfold.machine.threads import torch_threads
from tenfold.runtimes import check_available
from tenfold.search.budget import Target
from tenfold.values import Survey


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
        return from_table(table, survey, target)
    engine = check_available(target.engine)
    with torch_threads(target.threads):
        run = prepare(engine, model, example, target.threads)
    dense = list({u.key: u for site in survey.sites for u in units_of(site)}.values())
    whole, anchors = time_whole(engine, target.threads, run, dense)
    held_for = conditions(engine, target.threads)
    by_place = {unit.place: anchors[unit.key] for unit in dense}

    def measure(units: Sequence[Unit]) -> Iterator[Mapping[str, float]]:
        """Milliseconds by key: first of units timed before, then group by group of the others."""
        kept = read_shares(held_for)
        known = {u.key: kept[u.key] * by_place[u.place] for u in units if u.key in kept}
        yield known
        missing = [unit for unit in units if unit.key not in known]
        places = {unit.key: unit.place for unit in missing}
        for shares in measure_ratios(engine, target.threads, missing, progress):
            add_shares(held_for, shares)
            yield {key: share * by_place[places[key]] for key, share in shares.items()}

    return Ruler(whole, anchors, measure)


def from_table(table: Table, survey: Survey, target: Target) -> Ruler:
    """A table of another device, held against this network."""
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
    for cost, count in (table.network or {}).items():
        if survey.totals[cost] != count:
            rule = f"A latency table must be of this network, of {survey.totals[cost]:,.0f} {cost}"
            raise bad_value(rule, f"one of {count:,.0f}", way)
    return Ruler(table.whole, table.times)
