"""What earlier versions wrote still loads: plans, saved directories, recipes."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

import tenfold
from tenfold.cli.recipe import make_recipe
from tenfold.store.folder import read_plan, read_report

WRITTEN = Path(__file__).parent / "written_by_0_1"


class Small(nn.Module):
    """The network that version 0.1 compressed."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 12, 3, padding=1)
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        return self.head(torch.relu(self.second(x)).mean((2, 3)))


def original():
    model = Small()
    model.load_state_dict(load_file(WRITTEN / "original.safetensors"), strict=False)
    return model.eval()


def test_a_saved_directory_loads_and_computes_the_same():
    model = tenfold.load(WRITTEN / "saved", Small)
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    wanted = torch.tensor(json.loads((WRITTEN / "outputs.json").read_text()))
    with torch.no_grad():
        torch.testing.assert_close(model(x), wanted, rtol=1e-4, atol=1e-5)
    assert read_report(WRITTEN / "saved").times_smaller("params") > 1.6


def test_a_plan_loads_applies_and_is_written_anew():
    plan = read_plan(WRITTEN / "plan.json")
    assert (plan.origin, plan.settings.round_to, plan.method) == ("frobenius", 2, "continuous")
    assert plan.example is not None
    assert plan.example.shape == (2, 3, 8, 8)
    small = tenfold.apply(plan, original())
    assert sum(p.numel() for p in small.parameters()) == plan.predicted["params"]
    assert tenfold.plan_from_json(json.loads(json.dumps(tenfold.plan_to_json(plan)))) == plan


def test_what_an_old_plan_says_of_a_latency_has_its_new_place():
    plan = read_plan(WRITTEN / "plan_with_latency.json")
    assert plan.measured["latency"]["reached_ms"] == 1.5
    assert plan.settings.round_to is None
    assert plan.settings.refine == "end-to-end"
    assert plan.tuning == {"epochs": 3}


def test_a_recipe_loads():
    recipe = make_recipe({}, WRITTEN / "recipe.yaml")
    assert (recipe.source, recipe.planning.exclude) == ("net.py:make", ("head",))
    assert recipe.tuning == {"epochs": 3, "ema": 0.9}
