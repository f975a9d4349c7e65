"""Time units on an engine, always beside the dense layer that they replace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tenfold.deploy.prepare import prepare_layer
from tenfold.latency.unit import Unit
from tenfold.machine.interleave import interleave
from tenfold.machine.progress import Progress, silent
from tenfold.machine.threads import torch_threads
from tenfold.runtimes import Runtime

TOGETHER = 6  # units a group, so that a group is over before the machine has drifted
RUNS, WARMUP, SECONDS = 40, 3, 0.3  # of a group


def measure_ratios(
    engine: Runtime, threads: int, units: Sequence[Unit], progress: Progress = silent
) -> Iterator[Mapping[str, float]]:
    """Group by group, each unit's time as a share of its dense layer's in the same run.

    Shares outlive a machine that is slower today."""
    places: dict[str, list[Unit]] = {}
    for unit in units:
        places.setdefault(unit.place, []).append(unit)
    done = 0
    for members in places.values():
        for start in range(0, len(members), TOGETHER):
            group = members[start : start + TOGETHER]
            found = time_units(engine, threads, [Unit(group[0].site), *group])
            dense = next(iter(found.values()))
            done += len(group)
            progress("latency table", done, len(units))
            yield {unit.key: found[unit.key] / dense for unit in group}


def time_units(engine: Runtime, threads: int, units: Sequence[Unit]) -> dict[str, float]:
    """Milliseconds of each unit in one interleaved run."""
    with torch_threads(threads):
        calls = {u.key: prepare_layer(engine, u.module(), u.example(), threads) for u in units}
        return {key: x.busy for key, x in interleave(calls, RUNS, WARMUP, SECONDS).items()}


def time_whole(
    engine: Runtime, threads: int, whole: Callable[[], Any], units: Sequence[Unit]
) -> tuple[float, dict[str, float]]:
    """Milliseconds of the whole network and of its dense layers, in one interleaved run."""
    with torch_threads(threads):
        calls = {u.key: prepare_layer(engine, u.module(), u.example(), threads) for u in units}
        found = interleave({"": whole, **calls}, RUNS, WARMUP, 10 * SECONDS)
    times = {key: x.busy for key, x in found.items()}
    return times.pop(""), times
