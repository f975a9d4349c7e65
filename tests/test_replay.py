"""What is played back before a replaced layer changes no measured damage, and spares its work."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tenfold.curves import damage, measure_damages
from tenfold.curves.replay import MOST
from tenfold.curves.trace import trace_curves
from tenfold.survey.stage import survey
from tests.networks import example, tiny_resnet


class Again(nn.Module):
    """A layer that is called before and after another, works in place, and passes one by."""

    def __init__(self):
        super().__init__()
        self.first, self.other, self.spare = (nn.Linear(12, 12) for _ in range(3))
        self.last = nn.Linear(12, 5)

    def forward(self, x):
        x = torch.relu_(self.first(x))
        x = torch.relu_(self.first(self.other(x)) + x)
        if x.sum() > 1e9:
            x = self.spare(x)
        return self.last(x)


def of_seed(make):
    torch.manual_seed(3)
    return make().eval()


NETWORKS = {"residual": (tiny_resnet, example(4)), "again": (Again, torch.randn(6, 12))}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("most", [MOST, 3000, 0])
def test_damages_are_the_same_to_the_last_bit(name, most, monkeypatch):
    make, x = NETWORKS[name]
    model = of_seed(make)
    curves = trace_curves(model, survey(model, x), formats=("svd",))
    monkeypatch.setattr(damage, "MOST", 0)
    wanted = measure_damages(model, curves, [x, x + 1])
    monkeypatch.setattr(damage, "MOST", most)
    measured = measure_damages(model, curves, [x, x + 1])
    assert all(torch.equal(a, b) for a, b in zip(measured, wanted))
    assert any(float(values.max()) > 0 for values in measured)
    assert not any("forward" in vars(module) for module in model.modules())


def test_layers_before_the_replaced_one_run_once(monkeypatch):
    model, x = of_seed(tiny_resnet), example(4)
    sites = survey(model, x)
    curves = trace_curves(model, sites, formats=("svd",))
    first, ran = model.get_submodule(sites.sites[0].name), []
    forward = type(first).forward

    def noted(layer, *inputs):
        ran.append(layer)
        return forward(layer, *inputs)

    monkeypatch.setattr(type(first), "forward", noted)
    measure_damages(model, curves, [x])
    assert ran.count(first) == 1
