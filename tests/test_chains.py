"""Balanced chains compute what they computed, with factors of one size."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

import tenfold
from tenfold.formats import FORMATS
from tenfold.formats.chains import balance, balance_all, chains, incoming, outgoing
from tenfold.formats.metric import Metric
from tenfold.layers import describe
from tenfold.training import tune
from tests.networks import example
from tests.tuning import SETTINGS, Images, make_pair


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "dense"])
@given(spread=st.floats(0, 4), bias=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=8)
def test_nothing_changes_but_the_sizes(name, spread, bias, seed):
    torch.manual_seed(seed)
    layer = nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=bias)
    fmt, site = FORMATS[name], describe(layer, "layer")
    ranks = tuple(min(3, limit) for limit in fmt.rank_limits(site))
    factors = fmt.factors(fmt.analyse(site, layer.weight.detach(), Metric()), ranks)
    built = fmt.layers(site, ranks, factors, layer.bias)
    links = list(built)
    for link in links[:-1]:  # sizes apart by up to e^spread
        shape = (len(link.weight), *[1] * (link.weight.ndim - 1))
        link.weight.data.mul_((spread * (2 * torch.rand(shape) - 1)).exp())
    x = torch.randn(2, 6, 9, 9)
    before = built(x)
    balance(links)
    torch.testing.assert_close(built(x), before, rtol=1e-3, atol=1e-4)
    for left, right in itertools.pairwise(links):
        torch.testing.assert_close(outgoing(left), incoming(right), rtol=0.02, atol=1e-5)


def test_only_chains_of_linear_layers_are_touched():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)),  # an inner bias
        nn.Sequential(nn.Conv2d(4, 2, 1, bias=False), nn.Conv2d(2, 4, 1)),
        nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.Conv2d(4, 4, 1, groups=2)),
        nn.Sequential(weight_norm(nn.Conv2d(4, 4, 1, bias=False)), nn.Conv2d(4, 4, 1)),
    )
    assert list(chains(model)) == [list(model[3]), list(model[4])]


def test_channels_of_a_linear_layer_are_not_those_of_a_convolution():
    mixed = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Conv1d(4, 4, 1))
    before = mixed(torch.ones(2, 4, 4))
    balance_all(mixed)
    assert torch.equal(mixed(torch.ones(2, 4, 4)), before)


def test_what_serves_elsewhere_too_is_left_as_it_is():
    def chain():
        return nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4))

    by_weight, by_layer, twice = chain(), chain(), chain()
    embedding = nn.Embedding(4, 4)
    embedding.weight = by_weight[0].weight
    model = nn.ModuleList([by_weight, embedding, by_layer, by_layer[1], twice, twice])
    assert list(chains(model)) == [list(twice)]


def test_balanced_factors_learn_faster():
    teacher, student = make_pair()
    for links in chains(student):
        links[0].weight.data.mul_(30)
        links[-1].weight.data.div_(30)
    losses = {
        flag: tune(
            student, teacher, Images(teacher), settings=replace(SETTINGS, balance=flag)
        ).history[-1]["loss"]
        for flag in (True, False)
    }
    assert losses[True] < losses[False]


def test_cp_stays_finite_over_twenty_seeds():
    teacher, _ = make_pair()
    plan = tenfold.plan(teacher, example(), "params=0.3", metric="frobenius", formats=["cp"])
    student = tenfold.apply(plan, teacher)
    assert any(choice.format == "cp" for choice in plan.choices)
    for seed in range(20):
        quick = replace(SETTINGS, seed=seed, epochs=1, rate=1e-2)
        found = tune(student, teacher, Images(teacher), settings=quick)
        assert 0 < found.history[0]["gradient"] < 1e3
        assert all(bool(torch.isfinite(p).all()) for p in found.model.parameters())


def test_balancing_does_not_touch_what_was_handed_over():
    teacher, student = make_pair()
    before = {k: v.clone() for k, v in student.state_dict().items()}
    tune(student, teacher, Images(teacher), settings=replace(SETTINGS, epochs=1))
    assert all(torch.equal(v, before[k]) for k, v in student.state_dict().items())
    balance_all(student)
    assert not all(torch.equal(v, before[k]) for k, v in student.state_dict().items())
