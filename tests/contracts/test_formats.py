"""What every registered format must keep, over kinds of layers and their arguments."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tenfold.costs import COSTS
from tenfold.curves.trace import price_grid, rank_grid
from tenfold.formats import FORMATS
from tenfold.formats.metric import Metric, Root
from tenfold.layers import describe
from tenfold.survey import survey
from tenfold.values import Call

LAYERS = {
    "conv3x3": (nn.Conv2d(8, 12, 3, padding=1), (2, 8, 9, 7)),
    "strided": (nn.Conv2d(8, 12, 3, stride=(2, 1), padding=(0, 1)), (2, 8, 9, 8)),
    "dilated": (nn.Conv2d(8, 6, 3, padding=2, dilation=(2, 1)), (2, 8, 9, 8)),
    "same": (nn.Conv2d(6, 8, (4, 3), padding="same", dilation=(1, 2)), (2, 6, 9, 8)),
    "valid": (nn.Conv2d(6, 8, (2, 3), padding="valid"), (2, 6, 9, 8)),
    "reflect": (nn.Conv2d(6, 8, 3, padding=1, padding_mode="reflect"), (2, 6, 9, 8)),
    "circular": (nn.Conv2d(6, 8, 5, padding=(2, 1), padding_mode="circular"), (2, 6, 9, 8)),
    "replicate": (nn.Conv2d(6, 8, 3, padding=1, padding_mode="replicate"), (1, 6, 5, 5)),
    "no bias": (nn.Conv2d(6, 8, 3, bias=False), (2, 6, 9, 8)),
    "1x1": (nn.Conv2d(9, 7, 1, stride=2), (2, 9, 5, 5)),
    "double": (nn.Conv2d(6, 8, 3, dtype=torch.float64), (2, 6, 9, 8)),
    "conv1d": (nn.Conv1d(8, 10, 5, stride=2, padding=2), (2, 8, 17)),
    "conv1d same": (nn.Conv1d(8, 10, 4, padding="same", dilation=2), (2, 8, 17)),
    "linear": (nn.Linear(12, 9), (2, 3, 12)),
    "depthwise": (nn.Conv2d(8, 8, 5, stride=2, padding=2, groups=8), (2, 8, 9, 7)),
    "depthwise, two each": (nn.Conv2d(8, 16, 3, padding=1, groups=8), (2, 8, 9, 7)),
}
CASES = [
    pytest.param(name, layer, shape, id=f"{name}-{label}")
    for label, (layer, shape) in LAYERS.items()
    for name in FORMATS
    if FORMATS[name].refuses(describe(layer, label)) is None
]


def filled(layer: nn.Module) -> nn.Module:
    """The layer with weights drawn from a fixed seed."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)
    return layer


def moment(size: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    x = torch.randn(size, 2 * size, generator=torch.Generator().manual_seed(size), dtype=dtype)
    return x @ x.T


def site_of(layer, shape):
    """The site with the call it sees."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=layer.weight.dtype)
    y = layer(x)
    axes = len(getattr(layer, "kernel_size", ()))
    call = (
        Call(shape[0], tuple(shape[2:]), tuple(y.shape[2:]))
        if axes
        else Call(math.prod(shape[:-1]), (), ())
    )
    return describe(layer, "layer", (call,)), x


def some_ranks(fmt, site):
    limits = fmt.rank_limits(site)
    return sorted({tuple(max(1, limit // k) for limit in limits) for k in (1, 2, 4)})


def metrics_for(layer):
    groups = getattr(layer, "groups", 1)
    m, n = len(layer.weight) // groups, layer.weight.shape[1]
    part = Metric(Root.of(moment(n)), Root.of(moment(m)))
    return {"plain": Metric(), "kronecker": Metric(groups=(part,) * groups) if groups > 1 else part}


@pytest.mark.parametrize(("name", "layer", "shape"), CASES)
def test_built_layers_compute_the_dense_weight(name, layer, shape):
    fmt, (site, x) = FORMATS[name], site_of(filled(layer), shape)
    state = fmt.analyse(site, layer.weight.detach(), Metric())
    for ranks in some_ranks(fmt, site):
        factors = fmt.factors(state, ranks)
        built = fmt.layers(site, ranks, factors, layer.bias)
        with torch.no_grad():
            got = built(x)
            layer_again = nn.utils.skip_init(type(layer), **arguments(layer))
            layer_again.weight.copy_(fmt.dense(site, ranks, factors))
            if layer.bias is not None:
                layer_again.bias.copy_(layer.bias)
            expected = layer_again(x)
        assert got.dtype == layer.weight.dtype
        assert torch.allclose(got, expected, atol=1e-5 * float(expected.abs().max()) + 1e-6)


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_state_is_had_again_with_what_was_dear_of_it(name):
    fmt, (site, _) = FORMATS[name], site_of(filled(LAYERS["conv3x3"][0]), LAYERS["conv3x3"][1])
    weight, metric = LAYERS["conv3x3"][0].weight.detach(), metrics_for(LAYERS["conv3x3"][0])
    states = [fmt.analyse(site, weight, metric["kronecker"]) for _ in range(2)]
    ranks = torch.tensor([[max(1, x // 2) for x in fmt.rank_limits(site)]], dtype=torch.int64)
    errors = fmt.errors(states[0], ranks)
    again = fmt.resumed(states[1], fmt.dear(states[0]))
    assert torch.equal(fmt.errors(again, ranks), errors)
    pairs = zip(*(fmt.sketch(state, ranks[0].tolist()) for state in (states[0], again)))
    assert all(torch.equal(one, other) for one, other in pairs)


def arguments(layer):
    """Constructor arguments of a stock layer."""
    if isinstance(layer, nn.Linear):
        names = ("in_features", "out_features")
    else:
        names = (
            "in_channels",
            "out_channels",
            "kernel_size",
            "stride",
            "padding",
            "dilation",
            "groups",
            "padding_mode",
        )
    values = {name: getattr(layer, name) for name in names}
    return {**values, "bias": layer.bias is not None, "dtype": layer.weight.dtype}


@pytest.mark.parametrize(("name", "layer", "shape"), CASES)
@pytest.mark.parametrize("metric_name", ["plain", "kronecker"])
def test_error_is_what_it_says(name, layer, shape, metric_name):
    fmt, (site, _) = FORMATS[name], site_of(filled(layer), shape)
    metric, weight = metrics_for(layer)[metric_name], layer.weight.detach()
    white = metric.whiten(weight).double()
    state = fmt.analyse(site, weight, metric)
    for ranks in some_ranks(fmt, site):
        predicted = float(
            fmt.errors(state, torch.tensor([ranks], dtype=torch.int64).reshape(1, -1))
        )
        dense = fmt.dense(site, ranks, fmt.factors(state, ranks))
        actual = float(
            (metric.whiten(dense).double() - white).square().sum() / white.square().sum()
        )
        if fmt.error_is == "exact":
            assert actual == pytest.approx(predicted, rel=1e-3, abs=1e-6)
        elif fmt.error_is == "bound":
            assert actual <= predicted * 1.001 + 1e-6
        else:
            assert actual <= predicted * 1.15 + 1e-4
            assert predicted <= actual * 3 + 0.05


@pytest.mark.parametrize(("name", "layer", "shape"), CASES)
def test_costs_equal_the_built_module(name, layer, shape):
    fmt, (site, x) = FORMATS[name], site_of(filled(layer), shape)
    state = fmt.analyse(site, layer.weight.detach(), Metric())
    for ranks in some_ranks(fmt, site):
        built = fmt.layers(site, ranks, fmt.factors(state, ranks), layer.bias)
        for cost in COSTS:
            assert float(COSTS[cost].total(fmt.ops(site, ranks))) == COSTS[cost].measure(built, x)


@pytest.mark.parametrize(("name", "layer", "shape"), CASES)
def test_prices_of_a_grid_equal_those_of_its_rows(name, layer, shape):
    fmt, (site, _) = FORMATS[name], site_of(layer, shape)
    grid = rank_grid(fmt.rank_limits(site), 1)
    priced = price_grid(site, name, grid)
    for row in {0, len(grid) // 2, len(grid) - 1}:
        for cost in COSTS:
            one = COSTS[cost].total(fmt.ops(site, tuple(grid[row].tolist())))
            assert float(priced[cost][row]) == float(one)


@pytest.mark.parametrize(("name", "layer", "shape"), CASES)
def test_errors_never_rise_with_a_rank(name, layer, shape):
    fmt, (site, _) = FORMATS[name], site_of(filled(layer), shape)
    state = fmt.analyse(site, layer.weight.detach(), Metric())
    limits = fmt.rank_limits(site)
    for mode, limit in enumerate(limits):
        rows = torch.tensor([limits]).repeat(limit, 1)
        rows[:, mode] = torch.arange(1, limit + 1)
        errors = fmt.errors(state, rows)
        assert bool((errors >= 0).all())
        assert bool((errors[1:] <= errors[:-1] + 1e-9).all())


@pytest.mark.parametrize("name", [n for n in FORMATS if FORMATS[n].error_is != "estimate"])
@pytest.mark.parametrize("label", ["conv3x3", "same", "reflect", "conv1d", "linear", "depthwise"])
def test_full_rank_is_the_weight(name, label):
    layer, shape = LAYERS[label]
    fmt, (site, _) = FORMATS[name], site_of(filled(layer), shape)
    if fmt.refuses(site):
        assert fmt.refuses(site).endswith(tuple("abcdefghijklmnopqrstuvwxyz1"))
        return
    ranks = fmt.rank_limits(site)
    weight = layer.weight.detach()
    dense = fmt.dense(site, ranks, fmt.factors(fmt.analyse(site, weight, Metric()), ranks))
    assert torch.allclose(dense, weight, atol=1e-5)


@pytest.mark.parametrize("name", list(FORMATS))
def test_zero_weight_gives_finite_factors(name):
    layer = nn.Conv2d(6, 8, 3)
    nn.init.zeros_(layer.weight)
    fmt, (site, _) = FORMATS[name], site_of(layer, (1, 6, 5, 5))
    ranks = tuple(max(1, limit // 2) for limit in fmt.rank_limits(site))
    state = fmt.analyse(site, layer.weight.detach(), Metric())
    assert bool(torch.isfinite(fmt.errors(state, torch.tensor([ranks]).reshape(1, -1))).all())
    for factor in fmt.factors(state, ranks):
        assert bool(torch.isfinite(factor).all())


def test_every_format_serves_something_and_dense_everything():
    served = {case.values[0] for case in CASES}
    assert served == set(FORMATS)
    for label, (layer, _) in LAYERS.items():
        assert FORMATS["dense"].refuses(describe(layer, label)) is None


def test_survey_prices_the_sites_of_a_module_it_can_recount():
    model = nn.Sequential(filled(nn.Conv2d(3, 8, 3)), nn.Flatten(), nn.Linear(8 * 16, 4))
    found = survey(model, torch.zeros(2, 3, 6, 6))
    assert found.totals["params"] == 8 * 27 + 8 + 128 * 4 + 4
    assert found.totals["macs"] == 2 * (16 * 8 * 27 + 128 * 4)
    assert found.fixed == {"params": 0, "macs": 0, "bytes": 0}


@settings(max_examples=20)
@given(
    name=st.sampled_from([n for n in FORMATS if FORMATS[n].error_is == "exact"]),
    sizes=st.tuples(st.integers(2, 9), st.integers(2, 9), st.integers(2, 3), st.integers(2, 4)),
    share=st.floats(0, 1),
    whitened=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_curves_called_exact_are_exact(name, sizes, share, whitened, seed):
    """The error of the factors, computed from the composed weight, is the one on the curve."""
    m, n, *kernel = sizes
    layer, fmt = nn.Conv2d(n, m, tuple(kernel)), FORMATS[name]
    weight = torch.randn(m, n, *kernel, generator=torch.Generator().manual_seed(seed))
    metric = metrics_for(layer)["kronecker" if whitened else "plain"]
    site = describe(layer, "layer")
    ranks = tuple(max(1, round(share * limit)) for limit in fmt.rank_limits(site))
    state = fmt.analyse(site, weight, metric)
    told = fmt.errors(state, torch.tensor([ranks], dtype=torch.int64).reshape(1, -1))
    white = metric.whiten(weight).double()
    left = white - metric.whiten(fmt.dense(site, ranks, fmt.factors(state, ranks))).double()
    truth = float(left.square().sum() / white.square().sum())
    assert float(told) == pytest.approx(truth, rel=1e-3, abs=1e-6)
