"""Rows of ``real_networks``: the public call, and plain recipes to hold it against."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

import tenfold
from benchmarks.networks.outside import Outside
from tenfold.build.rebuild import rebuild
from tenfold.compounds import open_for
from tenfold.curves.trace import trace_curves
from tenfold.data.batches import read_batch
from tenfold.formats.metric import Metric
from tenfold.search import search
from tenfold.search.budget import resolve_budget
from tenfold.sense.moments import estimate_moments
from tenfold.settings import PlanSettings
from tenfold.survey.stage import survey
from tenfold.values import Survey

RIDGE = 1e-3  # of the mean eigenvalue, as whitening is published
SHARE = PlanSettings(method="uniform")


def with_no_data(outside: Outside, budget: Mapping[str, float], seed: int) -> dict[str, Any]:
    """The public call as it is by default."""
    return compressed(outside, budget, None, seed)


def with_a_few_inputs(outside: Outside, budget: Mapping[str, float], seed: int) -> dict[str, Any]:
    """The public call with calibration."""
    return compressed(outside, budget, outside.calibration, seed)


def in_frobenius(outside: Outside, budget: Mapping[str, float], seed: int) -> dict[str, Any]:
    """Weights as they are, ranks chosen by the library."""
    return compressed(outside, budget, None, seed, metric="frobenius")


def compressed(
    outside: Outside, budget: Mapping[str, float], calibration: Any, seed: int, **settings: Any
) -> dict[str, Any]:
    """What ``tenfold.compress`` hands over, judged, with CPU seconds."""
    began = time.process_time()
    result = tenfold.compress(
        outside.model, outside.example, budget, calibration=calibration, seed=seed, **settings
    )
    spent = time.process_time() - began
    forecast = getattr(result.plan, "forecast", None)
    return {
        **judged(outside, result.model, spent),
        "origin": result.plan.origin,
        "stages": {name: round(s, 1) for name, s in result.plan.seconds.items()},
        "forecast": forecast and dict(vars(forecast)),
    }


def plain_share(outside: Outside, budget: Mapping[str, float], seed: int) -> dict[str, Any]:
    """Truncated SVD, one share of its parameters for every layer."""
    began = time.process_time()
    built = one_share(outside, budget, {})
    return judged(outside, built, time.process_time() - began)


def whitened_share(outside: Outside, budget: Mapping[str, float], seed: int) -> dict[str, Any]:
    """The same, whitened by input second moments of the calibration (Wang et al. 2024)."""
    began = time.process_time()
    torch.manual_seed(seed)
    built = one_share(outside, budget, whitened(outside))
    return judged(outside, built, time.process_time() - began)


def whitened(outside: Outside) -> dict[str, Metric]:
    """Roots of the input second moments, nothing on the output side."""
    sites = survey(outside.model, outside.example)
    model = opened(outside, sites)
    batches = [read_batch(batch, torch.device("cpu")).inputs for batch in outside.calibration or ()]
    return {
        name: metric.on("inputs")
        for name, metric in estimate_moments(model, sites.sites, batches, ridge=RIDGE).items()
    }


def opened(outside: Outside, sites: Survey) -> nn.Module:
    """The network with its compounds opened, as sites name their layers."""
    return open_for(outside.model, (site.name for site in sites.sites))


def one_share(
    outside: Outside, budget: Mapping[str, float], metrics: Mapping[str, Metric]
) -> nn.Module:
    """Every layer as a matrix product of the same share of its parameters."""
    sites = survey(outside.model, outside.example)
    curves = trace_curves(opened(outside, sites), sites, metrics, formats=["svd"])
    limits = resolve_budget(dict(budget), sites.totals)
    plan = search(sites, curves, [c.errors for c in curves], limits, settings=SHARE)
    return rebuild(outside.model, plan, metrics)


def judged(outside: Outside, model: nn.Module, spent: float) -> dict[str, Any]:
    """The metric, the share of parameters that is left, and CPU seconds."""
    counts = [len_params(network) for network in (model, outside.model)]
    metric = round(float(outside.evaluate(model)), 2)
    return {"metric": metric, "kept": round(counts[0] / counts[1], 4), "cpu": round(spent, 1)}


def len_params(model: nn.Module) -> int:
    """Number of parameters, each once."""
    return sum(p.numel() for p in model.parameters())


ROWS = {
    "no data": with_no_data,
    "calibrated": with_a_few_inputs,
    "frobenius": in_frobenius,
    "one share, plain": plain_share,
    "one share, whitened": whitened_share,
}
