"""Rows of ``data_free``: what a search method loses at every budget."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

import tenfold
from benchmarks.networks.subjects import Batches
from tenfold.build.rebuild import rebuild
from tenfold.build.reconstruct import reconstruct
from tenfold.curves import measure_damages
from tenfold.curves.outcome import judge_of
from tenfold.curves.trace import Curve, plain_damage, trace_curves
from tenfold.curves.weigh import choose_sides
from tenfold.machine.progress import Clock
from tenfold.pipeline.prefer import on_sides
from tenfold.pipeline.realise import fitted_on
from tenfold.search import search
from tenfold.search.budget import resolve_budget
from tenfold.sense import Sensed, sense
from tenfold.settings import PlanSettings
from tenfold.training.score import accuracy
from tenfold.values import Plan, Survey


@dataclass(frozen=True)
class Trial:
    """A network, the batches that judge it, its accuracy, and how many times smaller to make it."""

    model: nn.Module
    example: Any
    batches: Batches
    base: float
    times: Sequence[float]

    def lost(self, model: nn.Module) -> float:
        """Points of accuracy that a compressed network has lost."""
        return round(self.base - accuracy(model, self.batches), 2)


@dataclass(frozen=True)
class Menu:
    """What a search chooses from, and what the factors are fitted on."""

    survey: Survey
    sensed: Sensed
    curves: Sequence[Curve]
    damages: Sequence[Tensor]
    sides: Mapping[str, str] = field(default_factory=dict)


def plain_menu(trial: Trial, sites: Survey) -> Menu:
    """Plain Frobenius: nothing is sensed."""
    curves = trace_curves(trial.model, sites)
    return Menu(sites, Sensed(), curves, [plain_damage(curve) for curve in curves])


def sensed_menu(trial: Trial, sites: Survey) -> tuple[Menu, dict[str, float]]:
    """What all methods search on, and the seconds of each stage."""
    clock = Clock()
    sensed = sense(trial.model, sites, trial.example)
    clock.lap("sense")
    sides = choose_sides(trial.model, sites, sensed.metrics, sensed.apart, sensed.task)
    clock.lap("weigh")
    metrics = {name: sensed.metrics[name].on(side) for name, side in sides.items()}
    curves = trace_curves(trial.model, sites, metrics)
    clock.lap("curves")
    damages = measure_damages(trial.model, curves, sensed.apart, task=sensed.task)
    clock.lap("measure")
    return Menu(sites, sensed, curves, damages, sides), clock.laps


def search_row(trial: Trial, menu: Menu, method: str) -> dict[str, Any]:
    """Points lost, gap and seconds of one method at every budget."""
    row: dict[str, Any] = {}
    for times in trial.times:
        limits = resolve_budget({"params": 1 / times}, menu.survey.totals)
        began = time.perf_counter()
        plan = search(
            menu.survey,
            menu.curves,
            menu.damages,
            limits,
            settings=PlanSettings(method=method),
        )
        seconds = time.perf_counter() - began
        plan = on_sides(plan, menu.sides)
        built = rebuild(trial.model, plan, menu.sensed.metrics)
        alone = trial.lost(built)
        if menu.sensed.batches:
            inputs, judge = fitted_on(menu.sensed), judge_of(trial.model, menu.sensed)
            metrics = menu.sensed.metrics
            built = reconstruct(trial.model, built, plan, inputs, metrics, judge=judge)
        row[f"{times:g}x"] = {
            "lost": trial.lost(built),
            "alone": alone,
            "params": sum(p.numel() for p in built.parameters()),
            "gap": plan.gap,
            "threads": torch.get_num_threads(),
            "search_seconds": round(seconds, 2),
            "layers": layers_of_the_cut(plan),
        }
        print(method, times, row[f"{times:g}x"], flush=True)
    return row


def end_to_end_row(trial: Trial) -> dict[str, Any]:
    """Points lost and seconds of the whole data-free run, with no cache."""
    os.environ["TENFOLD_CACHE"] = ""
    row: dict[str, Any] = {}
    for times in trial.times:
        began = time.perf_counter()
        budget = {"params": 1 / times}
        result = tenfold.compress(trial.model, trial.example, budget, refine="end-to-end")
        seconds = time.perf_counter() - began
        row[f"{times:g}x"] = {
            "lost": trial.lost(result.model),
            "params": int(result.report.after["params"]),
            "seconds": round(seconds, 1),
            "threads": torch.get_num_threads(),
            "gap": result.plan.gap,
            "layers": layers_of_the_cut(result.plan),
        }
        print("end-to-end", times, row[f"{times:g}x"], flush=True)
    return row


def layers_of_the_cut(plan: Plan) -> int:
    """How many layers carry 90 % of the parameters that the plan cuts."""
    cuts = sorted((c.before["params"] - c.costs["params"] for c in plan.choices), reverse=True)
    carried = [sum(cuts[: k + 1]) for k in range(len(cuts))]
    return 1 + sum(c < 0.9 * carried[-1] for c in carried)
