"""Reconstruction: never worse on its own objective, means put right, originals untouched."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import tenfold
from tenfold.build.rebuild import rebuild
from tenfold.build.reconstruct import reconstruct
from tenfold.build.reconstruct.fit import fit
from tenfold.build.reconstruct.followers import follow
from tenfold.build.reconstruct.pair import Pair
from tenfold.build.reconstruct.quadratic import ask
from tenfold.build.reconstruct.regress import regress
from tenfold.formats import FORMATS
from tenfold.formats.chains import chains
from tenfold.formats.metric import Metric
from tenfold.layers import describe
from tests.networks import example, tiny_resnet


def inputs(count=32, seed=5):
    return torch.randn(count, 3, 12, 12, generator=torch.Generator().manual_seed(seed))


def built(model, budget="params=0.4"):
    plan = tenfold.plan(model, example(), budget, metric="frobenius")
    return plan, rebuild(model, plan)


def gap(one, other, x):
    with torch.no_grad():
        return float((one(x) - other(x)).square().mean())


def test_outputs_come_closer_on_other_inputs_than_it_saw():
    model = tiny_resnet()
    plan, small = built(model)
    better = reconstruct(model, small, plan, inputs().split(8))
    fresh = inputs(seed=6)
    assert gap(better, model, fresh) < 0.7 * gap(small, model, fresh)


def test_neither_network_is_changed():
    model = tiny_resnet().train()
    plan, small = built(model)
    states = [copy.deepcopy(m.state_dict()) for m in (model, small)]
    reconstruct(model, small, plan, [inputs(8)])
    for network, state in zip((model, small), states):
        assert network.training
        for name, value in network.state_dict().items():
            assert torch.equal(value, state[name])
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_mean_output_of_a_layer_is_the_originals():
    model = nn.Sequential(nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(800, 3)).eval()
    plan = tenfold.plan(model, torch.zeros(1, 6, 12, 12), "params=0.5", metric="frobenius")
    small = rebuild(model, plan)
    x = torch.randn(16, 6, 12, 12) + 0.5
    better = reconstruct(model, small, plan, [x])
    with torch.no_grad():
        torch.testing.assert_close(better(x).mean(0), model(x).mean(0), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", [n for n in FORMATS if n != "dense"])
def test_every_format_is_fitted_and_never_worse(name):
    fmt = FORMATS[name]
    layer = (
        nn.Conv2d(6, 8, 3, padding=1)
        if not fmt.refuses(describe(nn.Conv2d(6, 8, 3), "layer"))
        else nn.Linear(12, 10)
    )
    site = describe(layer, "layer")
    ranks = tuple(min(2, limit) for limit in fmt.rank_limits(site))
    weight = layer.weight.detach()
    factors = fmt.factors(fmt.analyse(site, weight, Metric()), ranks)
    half = torch.randn(weight[0].numel(), weight[0].numel())
    inner = half @ half.T / len(half)
    flat = weight.flatten(1)
    wanted = ask(inner, flat @ inner, torch.eye(len(flat)), flat)

    def loss(found):
        return wanted.at(fmt.dense(site, ranks, found).flatten(1))

    found = fit(factors, lambda x: fmt.dense(site, ranks, x), wanted)
    assert [x.shape for x in found] == [x.shape for x in factors]
    assert loss(found) < loss(factors)
    assert loss(found) >= wanted.at(flat) * (1 + 1e-4)  # nothing beats the weight itself


def asked_at_random():
    torch.manual_seed(0)
    weight, rows, outer = (torch.randn(*shape).double() for shape in ((8, 54), (70, 54), (8, 8)))
    inner = rows.T @ rows / len(rows)
    return ask(inner, weight @ inner + 0.1, outer @ outer.T, weight)


def test_the_last_factor_is_the_best_for_the_others():
    wanted, first = asked_at_random(), torch.randn(3, 54).double()
    value, gradient = wanted.projected.slope(first)
    last = wanted.projected.last(first)
    assert value == pytest.approx(wanted.at(last @ first))
    for other in (last + 0.01, last - 0.01):
        assert wanted.at(other @ first) > value
    step = 1e-5 * torch.randn_like(first)
    change = wanted.projected.slope(first + step)[0] - wanted.projected.slope(first - step)[0]
    assert change == pytest.approx(2 * float((gradient * step).sum()), rel=1e-4)


def test_factors_before_one_that_is_held_are_asked_the_same():
    wanted, first, last = asked_at_random(), torch.randn(3, 54).double(), torch.randn(8, 3).double()
    value, gradient = wanted.whole.before(last).slope(first)
    assert value == pytest.approx(wanted.at(last @ first))
    _, whole = wanted.whole.slope(last @ first)
    torch.testing.assert_close(gradient, last.T @ whole)


@pytest.mark.parametrize(("name", "ranks"), [("cp", (3,)), ("spatial", (3,)), ("tt", (2, 4, 3))])
def test_factors_that_are_held_stay(name, ranks):
    fmt, layer, wanted = FORMATS[name], nn.Conv2d(6, 8, 3), asked_at_random()
    site = describe(layer, "layer")
    start = fmt.factors(fmt.analyse(site, layer.weight.detach(), Metric()), ranks)
    start = [factor.double() for factor in start]
    for free in range(len(start)):
        found = fit(start, lambda x: fmt.dense(site, ranks, x), wanted, [free])
        changed = [not torch.equal(a, b) for a, b in zip(found, start)]
        assert changed == [k == free for k in range(len(start))]


def test_moments_are_those_of_the_unfolded_inputs():
    layer = nn.Conv2d(2, 3, 3, padding=1, bias=False)
    model = nn.Sequential(layer)
    x = torch.randn(4, 2, 5, 5)
    (sums,) = regress(Pair(model, model, [], [x[:2], x[2:]]), describe(layer, "0"), 1)
    rows = nn.functional.unfold(x, 3, padding=1).movedim(1, -1).flatten(0, 1)
    second, cross = sums.moments(central=False)
    torch.testing.assert_close(second, rows.T @ rows / len(rows))
    torch.testing.assert_close(cross, layer.weight.detach().flatten(1) @ second)


def test_a_batchnorm_follows_only_the_layer_it_reads():
    model = tiny_resnet()
    found = {c.name: c for c in follow(model, ("stem.0", "block.3", "down"), example(2))}
    assert found["stem.0"].batchnorm == "stem.1"
    assert found["block.3"].batchnorm == "block.4"
    assert found["down"].batchnorm is None


def test_nan_moments_leave_the_factors_as_they_were():
    start = [torch.randn(2, 4, 1, 1), torch.randn(3, 2, 1, 1)]
    nan = torch.full((4, 4), torch.nan)
    bad = ask(nan, torch.zeros(3, 4), torch.eye(3), torch.zeros(3, 4))
    site = describe(nn.Conv2d(4, 3, 1), "layer")
    found = fit(start, lambda x: FORMATS["svd"].dense(site, (2,), x), bad)
    assert all(torch.equal(a, b) for a, b in zip(found, start))


def test_built_chains_have_factors_of_one_size():
    _, small = built(tiny_resnet())
    found = list(chains(small))
    assert found
    for links in found:
        sizes = [float(link.weight.detach().square().mean().sqrt()) for link in links]
        assert max(sizes) < 3 * min(sizes)
