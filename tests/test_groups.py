"""Links and layers with groups, between one and as many as channels, against brute force."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from tenfold.build.reconstruct.pair import Pair
from tenfold.build.reconstruct.regress import regress
from tenfold.costs import COSTS
from tenfold.curves.trace import price_grid, rank_grid
from tenfold.formats import FORMATS, states_of
from tenfold.formats._chain import build, compose, price
from tenfold.formats.chains import balance, chains, incoming, outgoing
from tenfold.formats.metric import Metric, Root
from tenfold.latency.unit import units_of
from tenfold.layers import describe, links_of
from tenfold.sense.moments import Sums, accumulate, add_gradient, add_inputs, metric_of, part_of
from tenfold.values import Call, Link
from tests.kinds import toys_registered


@pytest.fixture(autouse=True)
def toys():
    with toys_registered():
        yield


@st.composite
def mixed_chains(draw):
    """Three links, each with groups that divide its channels, that share out two axes."""
    sizes = [2, *(draw(st.sampled_from([4, 6, 12])) for _ in range(2)), 8]
    axes = draw(st.permutations([(0,), (1,), ()]))
    if draw(st.booleans()):
        axes = [(0, 1), (), ()]
    return [
        Link(n, m, along, draw(st.sampled_from(divisors(n, m))))
        for (n, m), along in zip(itertools.pairwise(sizes), axes)
    ]


def divisors(n, m):
    return [g for g in range(1, 13) if n % g == m % g == 0]


@settings(max_examples=40)
@given(chain=mixed_chains(), bias=st.booleans(), seed=st.integers(0, 99))
def test_a_chain_of_any_groups_is_priced_built_composed_and_balanced(chain, bias, seed):
    torch.manual_seed(seed)
    layer = nn.Conv2d(2, 8, (3, 2), stride=(2, 1), padding=(1, 0), bias=bias)
    x = torch.randn(2, 2, 7, 6)
    site = describe(layer, "layer", (Call(2, (7, 6), tuple(layer(x).shape[2:])),))
    factors = [
        torch.randn(link.out_channels, link.in_channels // link.groups, *link.along(site.kernel))
        for link in chain
    ]
    module = build(site, chain, factors, layer.bias)
    weight = compose(chain, factors)
    with torch.no_grad():
        expected = F.conv2d(x, weight, layer.bias, (2, 1), (1, 0))
        torch.testing.assert_close(module(x), expected, rtol=1e-4, atol=1e-4)
        for cost in COSTS:
            total = COSTS[cost].total(price(site, chain))
            assert float(total) == COSTS[cost].measure(module, x)
        links = links_of(module)
        assert list(chains(module)) == [links]
        balance(links)
        torch.testing.assert_close(module(x), expected, rtol=1e-3, atol=1e-3)
    for left, right in itertools.pairwise(links):
        torch.testing.assert_close(outgoing(left), incoming(right), rtol=0.02, atol=1e-5)


def test_what_reads_an_input_channel_is_counted_one_by_one():
    link = nn.Conv2d(6, 9, (1, 2), groups=3)
    weight = link.weight.detach()
    for channel, size in enumerate(incoming(link)):
        own = torch.zeros(1, 6, 1, 2)
        own[0, channel] = 1
        reads = [F.conv2d(own * part, weight, groups=3) for part in torch.eye(2)]
        squares = sum(read.square().sum() for read in reads)
        assert float(size) == pytest.approx(float((squares / (3 * 2)).sqrt()), rel=1e-5)


torch.manual_seed(0)  # the same weights whatever was imported before
GROUPED = {
    "3x3": nn.Conv2d(8, 12, 3, groups=2),
    "pointwise": nn.Conv2d(12, 8, 1, groups=4),
    "uneven": nn.Conv2d(6, 9, (2, 3), groups=3),
}
CASES = [
    (label, name)
    for label, layer in GROUPED.items()
    for name in FORMATS
    if FORMATS[name].refuses(describe(layer, label)) is None
]


def moment(size, seed):
    x = torch.randn(size, 2 * size, generator=torch.Generator().manual_seed(seed))
    return x @ x.T


def metrics_of(site):
    """A metric for each group of a site."""
    n, m = site.group.in_channels, site.group.out_channels
    roots = [(Root.of(moment(n, k)), Root.of(moment(m, 9 + k))) for k in range(site.groups)]
    return Metric(groups=tuple(Metric(*pair) for pair in roots))


@pytest.mark.parametrize(("label", "name"), CASES)
@pytest.mark.parametrize("whitened", [False, True])
def test_the_error_of_a_layer_is_that_of_its_groups_together(label, name, whitened):
    fmt, layer = FORMATS[name], GROUPED[label]
    site, weight = describe(layer, label), layer.weight.detach()
    metric = metrics_of(site) if whitened else Metric()
    state, white = fmt.analyse(site, weight, metric), metric.whiten(weight).double()
    for share in (1, 2, 4):
        ranks = tuple(max(1, limit // share) for limit in fmt.rank_limits(site))
        told = float(fmt.errors(state, torch.tensor([ranks], dtype=torch.int64).reshape(1, -1)))
        dense = fmt.dense(site, ranks, fmt.factors(state, ranks))
        truth = (metric.whiten(dense).double() - white).square().sum() / white.square().sum()
        if fmt.error_is == "exact":
            assert float(truth) == pytest.approx(told, rel=1e-3, abs=1e-6)
        elif fmt.error_is == "bound":
            assert float(truth) <= told * 1.001 + 1e-6
        else:
            assert float(truth) <= told * 1.15 + 1e-4


@pytest.mark.parametrize("name", ["cp", "cp-separable"])
def test_a_curve_of_many_groups_is_iterated_on_a_few(name):
    torch.manual_seed(5)
    layer = nn.Conv2d(32, 48, 3, groups=16)
    with torch.no_grad():
        layer.weight.mul_(torch.linspace(0.1, 2, 16).repeat_interleave(3).reshape(-1, 1, 1, 1))
    fmt, site = FORMATS[name], describe(layer, "layer")
    state = fmt.analyse(site, layer.weight.detach(), Metric())
    (limit,) = fmt.rank_limits(site)
    for rank in (1, limit // 2, limit):
        told = float(fmt.errors(state, torch.tensor([[rank]])))
        for factors in (fmt.factors(state, [rank]), fmt.sketch(state, [rank])):
            left = (fmt.dense(site, [rank], factors) - layer.weight.detach()).square().sum()
            truth = float(left / layer.weight.detach().square().sum())
            assert truth == pytest.approx(told, abs=0.15)
    assert sum("ladder" in vars(part) for part in states_of(state)) == 4


@pytest.mark.parametrize(("label", "name"), CASES)
def test_groups_side_by_side_are_the_blocks_of_one_chain(label, name):
    fmt, layer = FORMATS[name], GROUPED[label]
    site, weight = describe(layer, label), layer.weight.detach()
    ranks = tuple(max(1, limit // 2) for limit in fmt.rank_limits(site))
    factors = fmt.factors(fmt.analyse(site, weight, Metric()), ranks)
    whole = compose(fmt.chain(site, ranks), factors)
    blocks = torch.block_diag(
        *fmt.dense(site, ranks, factors).flatten(2)[:, :, 0].chunk(site.groups)
    )
    torch.testing.assert_close(whole.flatten(2)[:, :, 0], blocks)


@pytest.mark.parametrize(("label", "name"), CASES)
def test_prices_of_a_grid_equal_those_of_its_rows(label, name):
    fmt, site = FORMATS[name], describe(GROUPED[label], label, (Call(2, (9, 8), (5, 4)),))
    grid = rank_grid(fmt.rank_limits(site), 1)
    priced = price_grid(site, name, grid)
    for row in {0, len(grid) // 2, len(grid) - 1}:
        for cost in COSTS:
            one = COSTS[cost].total(fmt.ops(site, tuple(grid[row].tolist())))
            assert float(priced[cost][row]) == float(one)


def test_moments_of_a_group_are_those_of_its_channels_alone():
    layer, part = nn.Conv2d(4, 6, 3, groups=2, bias=False), nn.Conv2d(2, 3, 3, bias=False)
    site, one = describe(layer, "layer"), describe(part, "part")
    x, grad = torch.randn(5, 4, 7, 6), torch.randn(5, 6, 5, 4)
    sums = Sums()
    add_inputs(sums, site, x, {})
    add_gradient(sums, site, grad, {})
    assert len(metric_of(sums, site.groups).per_group(2)) == 2
    for k in range(2):
        found, alone = part_of(sums, k, 2), Sums()
        add_inputs(alone, one, x.chunk(2, 1)[k], {})
        add_gradient(alone, one, grad.chunk(2, 1)[k], {})
        for name in ("inputs", "outputs", "patches"):
            torch.testing.assert_close(getattr(found, name).total, getattr(alone, name).total)
        assert (found.count, found.outputs.rows) == (alone.count, alone.outputs.rows)
    assert metric_of(Sums(), 3).per_group(3) == (Metric(),) * 3


def test_regressions_of_a_group_are_those_of_its_channels_alone():
    layer = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False)
    model, x = nn.Sequential(layer), torch.randn(4, 4, 6, 5)
    found = regress(Pair(model, model, [], [x[:2], x[2:]]), describe(layer, "0"), 1)
    for k, sums in enumerate(found):
        part = nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False)
        part.weight.data.copy_(layer.weight.chunk(2)[k])
        alone = nn.Sequential(part)
        (expected,) = regress(Pair(alone, alone, [], [x.chunk(2, 1)[k]]), describe(part, "0"), 1)
        for mine, theirs in zip(sums.moments(True), expected.moments(True)):
            torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)


def test_gradients_reach_a_network_with_groups_and_its_moments_have_them():
    model = nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.Flatten(), nn.Linear(6 * 12, 3))
    site, sums = describe(model[0], "0"), {"0": Sums()}
    accumulate(model, {"0": site}, sums, torch.randn(4, 4, 5, 6))
    groups = metric_of(sums["0"], 2).groups
    assert [len(part.outputs.root) for part in groups] == [3, 3]
    assert [len(part.patches.root) for part in groups] == [18, 18]


def test_a_clock_tells_groups_apart():
    layers = [nn.Conv2d(8, 8, 3, groups=groups) for groups in (1, 2, 4)]
    keys = {units_of(describe(la, "", (Call(1, (5, 5), (3, 3)),)))[0].key for la in layers}
    assert len(keys) == 3
