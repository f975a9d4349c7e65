"""The cases of ``latency``, what each promises, and how an outcome is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tenfold

FEW = ("svd", "svd-in", "spatial", "tucker")  # CP of large random layers takes minutes
SHARE = 0.85  # of times fewer MACs, promised of wide layers


@dataclass(frozen=True)
class Case:
    """A network, what may be kept of it, the formats, and what is promised of ONNX Runtime."""

    network: str
    budget: str
    formats: tuple[str, ...] = FEW
    faster: float | None = None  # times, in the best engine or the one named
    engine: str | None = None
    round_to: int | None = 16  # None: what a latency asks for


DEMO = ("svd", "svd-in", "spatial", "tucker", "tt", "cp")
CASES = {
    "demo, 5.2x fewer parameters": Case(
        "demo", "params=0.19,latency=0.275@onnxruntime", DEMO, 3.5, "onnxruntime", None
    ),
    "demo, 0.3 of the time": Case(
        "demo", "latency=0.3@onnxruntime", DEMO, 1 / 0.3, "onnxruntime", None
    ),
    "resnet18, 2.2x fewer MACs": Case("resnet18", f"macs={1 / 2.2:.4f}", FEW, 1.8),
    "vgg16, 3x fewer MACs": Case("vgg16", "macs=0.333"),
    "vgg16, with a latency": Case(
        "vgg16", "macs=0.333,latency=0.45@onnxruntime", FEW, None, None, None
    ),
    "vgg16, 2x fewer MACs": Case("vgg16", "macs=0.5"),
    "vgg16, no Tucker": Case("vgg16", "macs=0.333", ("spatial", "svd", "svd-in")),
    "separable, 1.5x fewer MACs": Case("separable", "macs=0.667"),
    "vit, 2x fewer MACs": Case("vit", "macs=0.5"),
}
TINY = {"tiny, 2x fewer MACs": Case("tiny", "macs=0.5", round_to=None)}  # for a quick run


def cases_named(start: str | None) -> dict[str, Case]:
    """The cases whose name starts so; without a start all but the tiny one."""
    if start is None:
        return CASES
    return {name: case for name, case in {**CASES, **TINY}.items() if name.startswith(start)}


def goals(case: Case, rows: Mapping[str, Any], best: str, result: tenfold.Result) -> dict[str, Any]:
    """What was promised, what was measured, and whether the promise was kept."""
    shares = {name: x["wide_share"] for name, x in rows.items() if "wide_share" in x}
    measured = {}
    if shares:
        measured["wide share"] = (max(shares.values()), SHARE)
    if case.faster is not None and (case.engine or best) in rows:
        measured["times faster"] = (rows[case.engine or best]["work_times_faster"], case.faster)
    verdicts = {
        name: {"found": value, "promised": promise, "kept": value >= promise}
        for name, (value, promise) in measured.items()
    }
    for limit in result.report.limits:
        if limit.cost == "latency" and limit.reached is not None:
            verdicts["latency limit, ms"] = {
                "found": limit.reached,
                "promised": limit.limit,
                "predicted": limit.predicted,
                "kept": limit.reached <= limit.limit,
            }
    return verdicts


def show(name: str, outcome: Mapping[str, Any]) -> None:
    """A block a case."""
    fewer = outcome["times_fewer"]
    print(f"\n{name}: {fewer['params']:.2f}x fewer parameters, {fewer['macs']:.2f}x fewer MACs")
    heads = ("before", "after", "faster", "at work", "share", "wide")
    print(f"  {'engine':<12}" + "".join(f"{x:>{w}}" for x, w in zip(heads, (9, 9, 8, 9, 7, 7))))
    for engine, x in outcome["engines"].items():
        wide = f"{x['wide_share']:.2f}" if "wide_share" in x else ""
        print(
            f"  {engine:<12}{x['before_ms']['median']:>9.3f}{x['after_ms']['median']:>9.3f}"
            f"{x['times_faster']:>7.2f}x{x['work_times_faster']:>8.2f}x{x['share']:>7.2f}"
            f"{wide:>7}"
        )
    for goal, x in outcome["goals"].items():
        verdict = "kept  " if x["kept"] else "missed"
        print(f"  {verdict} {goal}: {x['found']:.3f} (promised {x['promised']:.3f})")
    print(f"  {outcome['seconds']['all']:.0f} s", flush=True)
