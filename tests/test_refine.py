"""Relaxed ranks: gates price like integers, hardening is strict, the whole path keeps budgets."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import tenfold
from tenfold.build.rebuild import rebuild
from tenfold.build.refine import refine
from tenfold.build.refine.gates import cuts_of, gate, gating, usage
from tenfold.build.refine.harden import cut_down, fits, harden
from tenfold.costs import COSTS
from tenfold.errors import InputError
from tenfold.formats import FORMATS
from tenfold.formats.metric import Metric
from tenfold.layers import describe
from tenfold.pipeline import realise
from tenfold.survey import survey
from tenfold.values import Limit
from tests.networks import example, tiny_resnet


def layer_of(name, ranks):
    """A chain on a small convolution, gated."""
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 8, 3, padding=1)
    site = describe(conv, "layer")
    fmt = FORMATS[name]
    factors = fmt.factors(fmt.analyse(site, conv.weight.detach(), Metric()), ranks)
    module = fmt.layers(site, ranks, factors, conv.bias)
    return gate(site, name, ranks, module), module


CASES = [("cp", (5,)), ("cp-separable", (4,)), ("tucker", (3, 4)), ("tt", (3, 4, 5)), ("svd", (4,))]


@pytest.mark.parametrize(("name", "ranks"), CASES)
def test_gates_scale_the_composed_weight(name, ranks):
    layer, module = layer_of(name, ranks)
    with torch.no_grad():
        for logit in layer.logits:
            logit.normal_()
    x = torch.randn(2, 6, 7, 7)
    with gating([layer]), torch.no_grad():
        found = module(x)
        wanted = nn.functional.conv2d(x, layer.weight(), layer.links[-1].bias, padding=1)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    assert not any(m._forward_hooks for m in module.modules())


@pytest.mark.parametrize(("name", "ranks"), CASES)
def test_cutting_down_keeps_the_open_components(name, ranks):
    layer, _ = layer_of(name, ranks)
    with torch.no_grad():
        for logit in layer.logits:
            logit.fill_(40.0)
            logit[1] = -40.0
    kept = [rank - 1 for rank in ranks]
    found = FORMATS[name].dense(layer.site, kept, cut_down(layer, kept))
    torch.testing.assert_close(found, layer.weight().detach(), atol=1e-5, rtol=1e-4)


def test_a_depthwise_link_ties_the_cuts_beside_it():
    site = describe(nn.Conv2d(6, 8, 3), "layer")
    assert cuts_of(FORMATS["cp-separable"].chain(site, (4,))) == ((0, 1, 2),)
    assert cuts_of(FORMATS["tt"].chain(site, (2, 3, 4))) == ((0,), (1,), (2,))


def test_open_gates_cost_what_the_ranks_cost():
    layer, _ = layer_of("tucker", (3, 4))
    with torch.no_grad():
        for logit in layer.logits:
            logit.fill_(40.0)
    exact = float(COSTS["params"].total(FORMATS["tucker"].ops(layer.site, (3, 4))))
    share = usage([layer], [Limit("params", "x", exact + 10)], {"params": 10.0})
    assert float(share) == pytest.approx(1.0)


@settings(max_examples=40)
@given(st.integers(60, 700), st.sampled_from([1, 2]), st.integers(0, 9))
def test_hardened_ranks_fit_and_no_single_block_more_would(limit, step, seed):
    layers = [layer_of("cp", (6,))[0], layer_of("tucker", (4, 4))[0]]
    torch.manual_seed(seed)
    with torch.no_grad():
        for layer in layers:
            for logit in layer.logits:
                logit.normal_()
    limits, rest = [Limit("params", str(limit), limit)], {"params": 0.0}
    ranks = harden(layers, limits, rest, step)
    least = [[step] * len(kept) for kept in ranks]
    assert all(r >= step and r % step == 0 for kept in ranks for r in kept)
    if fits(layers, least, limits, rest):
        assert fits(layers, ranks, limits, rest)
        for i, kept in enumerate(ranks):
            for k, r in enumerate(kept):
                more = [list(x) for x in ranks]
                more[i][k] = r + step
                over = r + step > len(layers[i].logits[k])
                assert over or not fits(layers, more, limits, rest)


def test_a_refined_network_costs_what_its_plan_says_within_the_limits():
    model, x = tiny_resnet(), example()
    found = survey(model, x)
    plan = tenfold.plan(model, x, "params=0.5", metric="frobenius")
    limits = [Limit("params", "0.4", 0.4 * found.totals["params"])]
    inputs = [torch.randn(8, 3, 12, 12)]
    refined, small = refine(model, rebuild(model, plan), plan, found.sites, limits, inputs, steps=6)
    counted = COSTS["params"].measure(small, x)
    assert counted == refined.predicted["params"] <= limits[0].value
    assert all(p.requires_grad for p in small.parameters())


def test_end_to_end_holds_every_budget_and_leaves_the_model_alone():
    model, x = tiny_resnet(), example()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = tenfold.compress(model, x, {"params": 0.5, "macs": 0.6}, refine="end-to-end")
    for limit in result.report.limits:
        assert limit.reached <= limit.limit
    assert result.plan.settings.refine == "end-to-end"
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    again = tenfold.compress(model, x, {"params": 0.5, "macs": 0.6}, refine="end-to-end")
    torch.testing.assert_close(again.model(x), result.model(x))


@pytest.mark.parametrize(
    ("depth", "budget"), [("twice", "params=0.5"), ("end-to-end", "latency=0.5")]
)
def test_what_refine_cannot_do_is_said(depth, budget):
    with pytest.raises(InputError, match="refine"):
        tenfold.compress(tiny_resnet(), example(), budget, refine=depth)


@pytest.mark.parametrize("seed", range(2))
def test_ranks_that_cannot_shrink_to_the_limit_leave_the_searched_plan(seed):
    result = tenfold.compress(
        tiny_resnet(seed=seed), example(), "params=0.3", refine="end-to-end", round_to=8
    )
    assert all(limit.reached <= limit.limit for limit in result.report.limits)


def test_a_plan_over_its_limits_is_never_taken(monkeypatch):
    monkeypatch.setattr(realise, "CLEARLY", float("inf"))  # it would be taken otherwise
    monkeypatch.setattr("tenfold.build.refine.stage.harden", lambda layers, *_: largest(layers))
    result = tenfold.compress(tiny_resnet(), example(), "params=0.4", refine="end-to-end")
    assert all(limit.reached <= limit.limit for limit in result.report.limits)


def largest(layers):
    return [[len(logit) for logit in layer.logits] for layer in layers]


def test_a_budget_that_needs_nothing_factored_is_no_obstacle():
    result = tenfold.compress(tiny_resnet(), example(), "params=1.0", refine="end-to-end")
    assert all(limit.reached <= limit.limit for limit in result.report.limits)


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(16, 24), nn.Linear(16, 24), nn.Linear(24, 8)

    def forward(self, x, y):
        return self.head((self.a(x) + self.b(y)).relu())


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.hidden, self.head = (
            nn.Embedding(20, 24),
            nn.Linear(24, 24),
            nn.Linear(24, 8),
        )

    def forward(self, tokens):
        return self.head(self.hidden(self.embed(tokens)).relu().mean(1))


def pairs(n):
    return [((torch.randn(8, 16), torch.randn(8, 16)), torch.zeros(8)) for _ in range(n)]


@pytest.mark.parametrize(
    ("make", "batches"),
    [
        (Two, pairs(3)),
        (Tokens, [torch.randint(20, (8, 6)) for _ in range(3)]),
        (tiny_resnet, [torch.randn(4, 3, size, size) for size in (12, 16, 12)]),
    ],
    ids=["two inputs", "tokens", "sizes"],
)
def test_calibration_of_every_kind_trains_end_to_end(make, batches):
    shown = batches[0][0] if isinstance(batches[0], tuple) else batches[0]
    result = tenfold.compress(
        make().eval(), shown, "params=0.6", calibration=batches, refine="end-to-end"
    )
    assert result.plan.settings.refine == "end-to-end"


def test_frozen_layers_stay_as_they_are():
    model, x = tiny_resnet(), example()
    found = survey(model, x)
    plan = tenfold.plan(model, x, "params=0.5", metric="frobenius")
    frozen = next(n for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d))
    model.get_submodule(frozen).requires_grad_(False)
    limits = [Limit("params", "0.4", 0.4 * found.totals["params"])]
    built = rebuild(model, plan)
    _, small = refine(model, built, plan, found.sites, limits, [torch.randn(8, 3, 12, 12)], steps=3)
    assert torch.equal(small.get_submodule(frozen).weight, model.get_submodule(frozen).weight)
    others = [n for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d) and n != frozen]
    assert not torch.equal(
        small.get_submodule(others[0]).weight, model.get_submodule(others[0]).weight
    )
