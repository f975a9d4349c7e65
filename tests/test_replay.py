"""What is played back before a replaced layer changes no measured damage, and spares its work."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import tenfold
from tenfold.build.rebuild import rebuild
from tenfold.build.reconstruct import pair, reconstruct
from tenfold.curves import damage, measure_damages
from tenfold.curves.outcome import Judge
from tenfold.curves.trace import trace_curves
from tenfold.network.replay import MOST
from tenfold.network.resume import changes_elsewhere
from tenfold.network.traces import noting_traces
from tenfold.survey.stage import survey
from tenfold.tasks import guess_task
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


class Block(nn.Module):
    """Leaves in itself what it was given, or works in place on it, or draws from somewhere."""

    def __init__(self, habit):
        super().__init__()
        self.inner, self.habit, self.kept = nn.Linear(12, 12), habit, {}

    def forward(self, x):
        if self.habit == "keeps":
            self.kept["x"] = x
        if self.habit == "in place":
            x += 1
        if self.habit == "draws":
            return self.inner(x) + torch.randn_like(x)
        return self.inner(x)


class Habits(nn.Module):
    """A block of some habit, and layers that see what it left."""

    def __init__(self, habit):
        super().__init__()
        self.block, self.next, self.last = Block(habit), nn.Linear(12, 12), nn.Linear(12, 5)

    def forward(self, x):
        x = x * 2
        y = self.next(torch.relu(self.block(x)) + x)
        z = self.block.kept.get("x", x)
        return self.last(torch.relu(y) + z)


def habits(habit):
    return lambda: Habits(habit)


def of_seed(make):
    torch.manual_seed(3)
    return make().eval()


TABLE = torch.randn(6, 12)
NETWORKS = {
    "residual": (tiny_resnet, example(4)),
    "again": (Again, TABLE),
    **{habit: (habits(habit), TABLE) for habit in ("keeps", "in place", "draws")},
}


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


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("most", [MOST, 3000])
def test_fits_are_the_same_to_the_last_bit(name, most, monkeypatch):
    make, x = NETWORKS[name]
    model = of_seed(make)
    plan = tenfold.plan(model, x, budget="params=0.6", metric="frobenius")
    built = rebuild(model, plan)
    judge = Judge(model, [x + 1], guess_task(model, model(x)))
    monkeypatch.setattr(pair, "MOST", 0)
    wanted = reconstruct(model, built, plan, [x, x - 1], judge=judge)
    monkeypatch.setattr(pair, "MOST", most)
    better = reconstruct(model, built, plan, [x, x - 1], judge=judge)
    assert equal(wanted, better)
    assert not equal(built, better)
    assert not any("forward" in vars(module) for module in (*model.modules(), *better.modules()))


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters()))


def test_layers_that_are_fitted_run_once_a_batch_in_the_original(monkeypatch):
    model, x = of_seed(tiny_resnet), example(4)
    plan = tenfold.plan(model, x, budget="params=0.6", metric="frobenius")
    name = next(choice.site for choice in plan.choices if choice.format != "dense")
    layer, ran = model.get_submodule(name), []
    forward = type(layer).forward

    def noted(given, *inputs):
        ran.append(given)
        return forward(given, *inputs)

    built = rebuild(model, plan)
    monkeypatch.setattr(type(layer), "forward", noted)
    reconstruct(model, built, plan, [x, x - 1])
    assert ran.count(layer) == 3  # to see the order of calls, and once a batch


def test_a_bias_that_two_layers_have_is_told():
    one, other = nn.Linear(4, 4), nn.Linear(4, 4)
    model = nn.Sequential(one, other)
    assert not changes_elsewhere(model, [one])
    other.bias = one.bias
    assert changes_elsewhere(model, [one])
    assert changes_elsewhere(model, [one, other])


def test_what_lies_in_a_block_before_the_layer_is_not_run(monkeypatch):
    model, x = of_seed(tiny_resnet), example(4)
    curves = trace_curves(model, survey(model, x), formats=("svd",))
    norm = next(m for m in model.stem.modules() if isinstance(m, nn.BatchNorm2d))
    curves = [c for c in curves if not c.site.name.startswith("stem")]
    ran, forward = [], type(norm).forward

    def noted(layer, *inputs):
        ran.append(layer)
        return forward(layer, *inputs)

    monkeypatch.setattr(type(norm), "forward", noted)
    measure_damages(model, curves, [x])
    assert ran.count(norm) == 1


@pytest.mark.parametrize(("habit", "found"), [("none", False), ("keeps", True), ("draws", True)])
def test_traces_are_found(habit, found):
    model = Habits(habit)
    with noting_traces(model) as traces, torch.no_grad():
        model(TABLE)
    assert traces.found == found


def test_hooks_of_somebody_are_traces():
    model = nn.Sequential(nn.Linear(12, 12), nn.Linear(12, 12))
    model[0].register_forward_hook(lambda *_: None)
    with noting_traces(model) as traces:
        model(TABLE)
    assert traces.found
