"""How much faster the wide layers of a network became, each timed alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

import tenfold
from tenfold.bench import time_layers

WIDE = 64  # channels


def wide_layers(plan: tenfold.Plan, model: nn.Module) -> tuple[tuple[str, ...], float]:
    """Replaced layers of at least 64 channels on both sides, and how many times fewer MACs
    they have together."""
    chosen = [
        c
        for c in plan.choices
        if c.format != "dense" and min(model.get_submodule(c.site).weight.shape[:2]) >= WIDE
    ]
    before = sum(c.before["macs"] for c in chosen)
    after = sum(c.costs["macs"] for c in chosen)
    return tuple(c.site for c in chosen), before / max(after, 1)


def wide_share(
    models: Mapping[str, Any], example: Any, names: tuple[str, ...], engine: str
) -> float:
    """How many times faster the named layers are together, each timed alone; what an engine
    takes to be called at all is taken off, as a network is called once."""
    call = time_layers(
        {"": nn.Sequential(nn.Linear(1, 1))}, torch.zeros(1, 1), ("0",), engine=engine
    )
    layers = time_layers(models, example, names, engine=engine)
    before, after = (
        sum(x.timings[k].busy - call[0].timings[""].busy for x in layers)
        for k in ("before", "after")
    )
    return before / after
