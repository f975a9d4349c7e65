"""A limited latency keeps ranks on whole vectors of channels, layer by layer."""

from __future__ import annotations

import torch
from torch import nn

from tenfold.costs import MEASURED
from tenfold.curves.trace import cheapest_curves
from tenfold.survey.stage import survey


def test_wide_layers_take_steps_of_sixteen_and_others_of_eight():
    model = nn.Sequential(
        nn.Conv2d(64, 64, 3, padding=1), nn.Conv2d(64, 48, 3, padding=1), nn.Conv2d(48, 64, 3)
    ).eval()
    found = survey(model, torch.zeros(1, 64, 8, 8))
    steps: dict[str, set[int]] = {site.name: set() for site in found.sites}
    for curve in cheapest_curves(found, round_to=MEASURED["latency"].step):
        if curve.format != "dense":
            steps[curve.site.name] |= set(curve.ranks.flatten().tolist())
    assert {rank % 16 for rank in steps["0"]} == {0}
    for name in ("1", "2"):
        assert {rank % 8 for rank in steps[name]} == {0}
        assert {rank % 16 for rank in steps[name]} == {0, 8}
