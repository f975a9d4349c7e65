"""What every kind of layer must keep: those that are registered, and kinds that live in tests."""

from __future__ import annotations

import copy
import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

import tenfold
from tenfold.build.rebuild import rebuild
from tenfold.build.reconstruct.places import fittable
from tenfold.build.refine.gates import gate, gating
from tenfold.build.refine.harden import cut_down
from tenfold.costs import COSTS
from tenfold.curves.trace import step_at
from tenfold.formats import FORMATS
from tenfold.formats.chains import balance, chains, incoming, outgoing
from tenfold.formats.metric import Metric
from tenfold.latency.unit import units_of
from tenfold.layers import LAYERS, describe, is_link, kind_of, links_of, put_weight, weight_of
from tenfold.layers.state import StateReader
from tenfold.pipeline import realise
from tenfold.sense.moments import estimate_moments
from tenfold.survey import survey
from tests.computing import Causal, PadSame, Plain, ScaledTable, SwappedWeight
from tests.computing import Standardised as GroupsStandardised
from tests.kinds import toys_registered
from tests.kinds.standardised import StandardisedConv
from tests.kinds.swapped import SwappedLinear
from tests.networks import with_statistics

torch.manual_seed(0)
LAYERS_AND_INPUTS = {
    "linear": (nn.Linear(12, 9), (2, 3, 12)),
    "linear, a vector": (nn.Linear(12, 9), (12,)),
    "linear, double": (nn.Linear(12, 9, bias=False, dtype=torch.float64), (4, 12)),
    "conv1d": (nn.Conv1d(6, 8, 4, stride=2, padding=1), (2, 6, 11)),
    "conv1d, circular": (nn.Conv1d(6, 8, 3, padding=1, padding_mode="circular"), (2, 6, 11)),
    "conv2d": (nn.Conv2d(6, 8, (3, 5), stride=(2, 1), padding=(1, 2)), (2, 6, 9, 8)),
    "conv2d, same": (nn.Conv2d(6, 8, (4, 3), padding="same", dilation=(1, 2)), (2, 6, 9, 8)),
    "conv2d, no batch": (nn.Conv2d(6, 8, 3, bias=False), (6, 9, 8)),
    "conv2d, pointwise": (nn.Conv2d(6, 8, 1, stride=2), (2, 6, 9, 8)),
    "conv3d": (nn.Conv3d(6, 8, (2, 3, 1), stride=(1, 2, 1), padding=(0, 1, 0)), (2, 6, 4, 5, 3)),
    "transposed, 1d": (nn.ConvTranspose1d(6, 8, 4, stride=2, padding=1, groups=2), (2, 6, 7)),
    "transposed": (nn.ConvTranspose2d(6, 8, 3, stride=2, padding=1), (2, 6, 5, 4)),
    "transposed, uneven": (
        nn.ConvTranspose2d(
            6, 8, (2, 3), stride=(1, 3), padding=(0, 2), output_padding=(0, 1), dilation=(3, 1)
        ),
        (2, 6, 5, 4),
    ),
    "transposed, 3d": (
        nn.ConvTranspose3d(6, 8, (1, 3, 2), stride=(1, 1, 2), output_padding=(0, 0, 1)),
        (6, 2, 4, 3),
    ),
    "transposed, groups": (
        nn.ConvTranspose2d(6, 9, 3, stride=2, padding=1, groups=3, bias=False),
        (2, 6, 5, 4),
    ),
    "groups, 1d": (nn.Conv1d(8, 4, 3, padding="same", groups=2), (2, 8, 7)),
    "groups, 3d": (nn.Conv3d(6, 4, 2, groups=2, bias=False), (2, 6, 3, 4, 3)),
    "groups": (nn.Conv2d(8, 12, 3, padding=1, groups=2), (2, 8, 7, 6)),
    "groups, pointwise": (nn.Conv2d(12, 9, 1, groups=3, bias=False), (2, 12, 7, 6)),
    "depthwise": (nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=6), (2, 6, 9, 8)),
    "depthwise, double": (
        nn.Conv2d(5, 5, 5, padding="same", groups=5, bias=False, dtype=torch.float64),
        (2, 5, 9, 8),
    ),
    "depthwise, two each": (nn.Conv2d(4, 8, (2, 3), dilation=2, groups=4), (2, 4, 9, 8)),
    "depthwise, one of two": (nn.Conv2d(8, 4, 3, padding_mode="circular", groups=4), (2, 8, 9, 8)),
    "depthwise, transposed": (nn.ConvTranspose2d(6, 6, 4, 2, 1, groups=6), (2, 6, 5, 4)),
    "depthwise, computed": (PadSame(6, 6, 3, stride=2, groups=6), (2, 6, 9, 8)),
    "computed, linear": (Plain(10, 9), (2, 3, 10)),
    "computed, swapped": (SwappedWeight(11, 12), (2, 3, 12)),
    "computed, 1d": (Causal(6, 8, 3, dilation=2), (2, 6, 11)),
    "computed, same": (PadSame(6, 8, (3, 4), stride=(1, 2)), (2, 6, 9, 8)),
    "computed, normed": (weight_norm(nn.Conv2d(6, 8, 3, padding=2)), (2, 6, 9, 8)),
    "computed, groups": (GroupsStandardised(8, 4, 3, groups=2, bias=False), (2, 8, 7, 6)),
    "computed, 3d": (weight_norm(nn.Conv3d(6, 4, 2)), (2, 6, 3, 4, 3)),
    "computed, transposed, 1d": (weight_norm(nn.ConvTranspose1d(6, 8, 4, stride=2)), (2, 6, 7)),
    "computed, transposed": (weight_norm(nn.ConvTranspose2d(6, 8, 3)), (2, 6, 5, 4)),
    "computed, transposed, 3d": (weight_norm(nn.ConvTranspose3d(6, 4, 2)), (2, 6, 2, 4, 3)),
    "state": (StateReader(torch.randn(12, 6, 1, requires_grad=True), 1, keeps=True), (1, 6, 4)),
    "state, passed on": (
        StateReader(torch.randn(14, 6, 1, requires_grad=True), 2, passes=0.5),
        (1, 12, 4),
    ),
    "embedding": (nn.Embedding(30, 12, padding_idx=3), (2, 7)),
    "embedding, double": (nn.Embedding(5, 11, dtype=torch.float64), (4,)),
    "computed, scaled table": (ScaledTable(20, 8, padding_idx=0), (3, 5)),
    "computed, table": (weight_norm(nn.Embedding(20, 9)), (3, 5)),
    "swapped": (SwappedLinear(12, 9), (2, 3, 12)),
    "standardised": (StandardisedConv(6, 8, 3, stride=2), (2, 6, 9, 8)),
    "standardised, dilated": (StandardisedConv(6, 8, (2, 3), dilation=2, bias=False), (2, 6, 9, 8)),
}
with toys_registered():
    COVERED = {describe(layer, label).kind for label, (layer, _) in LAYERS_AND_INPUTS.items()}
    KINDS = set(LAYERS)
    IN_FORMATS = [
        (label, name)
        for label, (layer, _) in LAYERS_AND_INPUTS.items()
        for name in FORMATS
        if FORMATS[name].refuses(describe(layer, label)) is None
    ]
every_layer = pytest.mark.parametrize("label", LAYERS_AND_INPUTS)
every_format = pytest.mark.parametrize(("label", "name"), IN_FORMATS)


@pytest.fixture(autouse=True)
def toys():
    with toys_registered():
        yield


def seen(label):
    """A layer, its kind, its site with one call, an input, and the output."""
    layer, shape = LAYERS_AND_INPUTS[label]
    kind = kind_of(layer)
    generator = torch.Generator().manual_seed(2)
    if kind.looks_up:
        x = torch.randint(layer.num_embeddings, shape, generator=generator)
    else:
        x = torch.randn(shape, generator=generator, dtype=layer.weight.dtype)
    with torch.no_grad():
        y = layer(x)
    call = kind.call(describe(layer, "layer"), x, y)
    return layer, kind, describe(layer, "layer", (call,)), x, y


def built(label, name, share=2):
    """The site, its factors at some ranks, and what the format puts in the layer's place."""
    layer, kind, site, x, _ = seen(label)
    fmt = FORMATS[name]
    ranks = tuple(max(1, limit // share) for limit in fmt.rank_limits(site))
    with torch.no_grad():
        factors = fmt.factors(fmt.analyse(site, kind.weight(layer), Metric()), ranks)
        module = fmt.layers(site, ranks, factors, kind.bias(layer))
    return site, ranks, factors, module, x


def outputs(site, x, weight, bias):
    """Rows of output computed from rows of input."""
    kind = LAYERS[site.kind]
    fields = kind.fields(site, kind.batched(site, x))
    parts = zip(fields.chunk(site.groups, 1), weight.to(fields).flatten(1).chunk(site.groups))
    rows = torch.cat([field @ part.T for field, part in parts], 1)
    return rows if bias is None else rows + bias.detach()


def rows_of(site, y):
    kind = LAYERS[site.kind]
    return kind.rows(site, kind.batched(site, y))


def test_every_kind_is_covered():
    assert COVERED == KINDS


@every_layer
def test_the_layer_is_its_weight_on_what_it_sees(label):
    layer, kind, site, x, y = seen(label)
    weight = kind.weight(layer).detach()
    assert site.kind == kind.name
    assert kind.refuses(layer) is None
    assert weight.shape == (site.out_channels, site.in_channels // site.groups, *site.kernel)
    assert weight.dtype == site.dtype == layer.weight.dtype
    if kind.looks_up:
        assert torch.equal(rows_of(site, x), x.flatten())
    else:
        assert len(rows_of(site, x)[0]) == site.in_channels
    assert rows_of(site, y).shape[1] == site.out_channels
    expected = outputs(site, x, weight, kind.bias(layer))
    torch.testing.assert_close(rows_of(site, y), expected, rtol=1e-4, atol=1e-5)


@every_layer
def test_one_stock_layer_computes_the_same(label):
    layer, kind, site, x, y = seen(label)
    weight, dense = kind.weight(layer).detach(), FORMATS["dense"]
    module = dense.layers(site, (), dense.factors(weight, ()), kind.bias(layer))
    (link,) = links_of(module)
    torch.testing.assert_close(module(x), y, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(weight_of(link).detach(), weight)
    assert {p.dtype for p in module.parameters()} == {site.dtype}


@every_layer
def test_the_layer_costs_what_it_is_priced(label):
    layer, _, site, x, _ = seen(label)
    for cost in COSTS:
        total = float(COSTS[cost].total(FORMATS["dense"].ops(site, ())))
        assert total == COSTS[cost].measure(layer, x)


@every_layer
def test_gradients_reach_all_that_the_weight_is_computed_from(label):
    layer, kind, _, _, _ = seen(label)
    learned = [p for p in layer.parameters() if p is not kind.bias(layer)]
    assert kind.weight(layer).requires_grad
    weight = kind.weight(layer)
    grads = torch.autograd.grad((weight * torch.randn_like(weight)).sum(), learned)
    assert all(grad.any() for grad in grads)


@every_layer
def test_what_a_replacement_would_lose_is_refused(label):
    layer = copy.deepcopy(LAYERS_AND_INPUTS[label][0])
    kind = kind_of(layer)
    handle = layer.register_forward_hook(lambda *_: None)
    assert "hooks" in kind.refuses(layer)
    handle.remove()
    layer.forward = lambda x: x
    assert "by hand" in kind.refuses(layer)


@every_layer
def test_a_clock_gets_an_input_of_the_shape_and_names_for_it(label):
    _, _, site, x, y = seen(label)
    (unit,) = units_of(site)
    assert unit.example().numel() == x.numel()
    assert unit.example().dtype == x.dtype
    assert unit.module()(unit.example()).numel() == y.numel()
    places = {units_of(seen(other)[2])[0].place for other in LAYERS_AND_INPUTS}
    assert len(places) == len(LAYERS_AND_INPUTS)


@every_format
def test_a_chain_in_its_place_computes_the_composed_weight(label, name):
    site, ranks, factors, module, x = built(label, name)
    weight = FORMATS[name].dense(site, ranks, factors)
    bias = LAYERS[site.kind].bias(LAYERS_AND_INPUTS[label][0])
    with torch.no_grad():
        expected = outputs(site, x, weight, bias)
        torch.testing.assert_close(rows_of(site, module(x)), expected, rtol=1e-4, atol=1e-5)
    assert weight.shape == weight_of(LAYERS_AND_INPUTS[label][0]).shape


@every_format
@pytest.mark.parametrize("share", [1, 3, 100])
def test_a_chain_costs_what_it_is_priced(label, name, share):
    site, ranks, factors, module, x = built(label, name, share)
    ops = FORMATS[name].ops(site, ranks)
    extra = {"params": site.extra_params, "bytes": site.extra_bytes, "macs": site.extra_macs}
    for cost in COSTS:
        counted = COSTS[cost].measure(module, x) + (extra[cost] if name == "dense" else 0)
        assert float(COSTS[cost].total(ops)) == counted
        relaxed = FORMATS[name].ops(site, [torch.tensor([float(r)] * 2) for r in ranks])
        assert torch.as_tensor(COSTS[cost].total(relaxed)).tolist() in ([counted] * 2, counted)
    assert [tuple(f.shape) for f in factors] == list(FORMATS[name].shapes(site, ranks))


@every_format
def test_links_are_stock_layers_that_can_be_read_and_written(label, name):
    site, _, factors, module, _ = built(label, name)
    links = links_of(module)
    assert all(map(is_link, links))
    assert all(type(link).__module__.startswith("torch.nn.modules.") for link in links)
    assert all(getattr(link, "bias", None) is None for link in links[:-1])
    for link, factor in zip(links, factors, strict=True):
        twice = 2 * factor.to(site.dtype)
        assert torch.equal(2 * weight_of(link), twice)
        with torch.no_grad():
            put_weight(link, twice)
        assert torch.equal(weight_of(link), twice)


@every_format
def test_a_balanced_chain_computes_the_same(label, name):
    _, _, _, module, x = built(label, name)
    links = links_of(module)
    assert [links] == list(chains(module)) or len(links) == 1
    with torch.no_grad():
        before = module(x)
        for link in links[:-1]:
            link.weight.mul_(7)
        links[-1].weight.div_(7.0 ** (len(links) - 1))
        balance(links)
        torch.testing.assert_close(module(x), before, rtol=1e-3, atol=1e-4)
    for left, right in itertools.pairwise(links):
        torch.testing.assert_close(outgoing(left), incoming(right), rtol=0.02, atol=1e-5)


@every_format
def test_gates_scale_the_components_of_the_weight(label, name):
    site, ranks, _, module, x = built(label, name)
    if not ranks:
        return
    layer, bias = gate(site, name, ranks, module), LAYERS[site.kind].bias(links_of(module)[-1])
    with torch.no_grad():
        for logit in layer.logits:
            logit.normal_(generator=torch.Generator().manual_seed(4))
            logit[:1] = -40.0
        with gating([layer]):
            expected = outputs(site, x, layer.weight(), bias)
            torch.testing.assert_close(rows_of(site, module(x)), expected, rtol=1e-4, atol=1e-5)
        fewer = [max(1, rank - 1) for rank in ranks]  # without the component that is shut
        left = FORMATS[name].dense(site, fewer, cut_down(layer, fewer))
        torch.testing.assert_close(left, layer.weight(), rtol=1e-4, atol=1e-5)


def images(*layers, pool=nn.AdaptiveAvgPool2d):
    """A network on images that ends in five numbers."""
    return nn.Sequential(*layers, pool(1), nn.Flatten(), nn.Linear(16, 5))


NETWORKS = {
    "transposed": (
        lambda: images(
            nn.ConvTranspose2d(6, 16, 3, stride=2, padding=1, output_padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.ConvTranspose2d(16, 16, 2, dilation=2),
            nn.ReLU(),
        ),
        (2, 6, 6, 5),
    ),
    "transposed, 1d, groups": (
        lambda: images(
            nn.ConvTranspose1d(6, 16, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.ConvTranspose1d(16, 16, 3, groups=2),
            nn.ReLU(),
            pool=nn.AdaptiveAvgPool1d,
        ),
        (2, 6, 9),
    ),
    "conv3d": (
        lambda: images(
            nn.Conv3d(6, 16, 3, padding=1, bias=False),
            nn.BatchNorm3d(16),
            nn.ReLU(),
            nn.Conv3d(16, 16, (1, 2, 3), stride=(1, 2, 1), groups=2),
            nn.ReLU(),
            pool=nn.AdaptiveAvgPool3d,
        ),
        (2, 6, 3, 5, 4),
    ),
    "groups": (
        lambda: images(
            nn.Conv2d(6, 16, 3, padding=1, groups=2, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 16, (1, 3), stride=2, padding=1, groups=4),
            nn.ReLU(),
        ),
        (2, 6, 8, 7),
    ),
    "depthwise": (
        lambda: images(
            nn.Conv2d(16, 16, 7, padding=3, groups=16, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 16, 7, stride=2, padding=3, groups=16),
            nn.ReLU(),
        ),
        (2, 16, 8, 7),
    ),
    "swapped": (
        lambda: nn.Sequential(
            SwappedLinear(20, 30), nn.LayerNorm(30), nn.ReLU(), SwappedLinear(30, 12)
        ),
        (3, 7, 20),
    ),
    "standardised": (
        lambda: images(
            StandardisedConv(6, 16, 3, stride=2, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            StandardisedConv(16, 16, (3, 2)),
            nn.ReLU(),
        ),
        (2, 6, 8, 7),
    ),
}
every_network = pytest.mark.parametrize("kind", NETWORKS)


def network(kind):
    """A network of the kind with statistics where it has BatchNorm, an example, other inputs."""
    make, shape = NETWORKS[kind]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = make()
        real = [torch.randn(16, *shape[1:]) for _ in range(3)]
        return with_statistics(model, real[0]), torch.randn(shape), real


def off(small, model, x):
    """Squared distance of the outputs, as a share."""
    with torch.no_grad():
        return float((small(x) - model(x)).square().sum() / model(x).square().sum())


@every_network
def test_a_network_of_the_kind_is_compressed_within_its_budget(kind, tmp_path):
    model, x, real = network(kind)
    before = copy.deepcopy(model.state_dict())
    own = tuple(site.name for site in survey(model, x).sites if site.kind != "linear")
    assert len(own) == 2
    result = tenfold.compress(
        model, x, "params=0.5,macs=0.8", calibration=real, include=own, data=real, epochs=1
    )
    assert any(choice.format != "dense" for choice in result.plan.choices)
    for limit in result.report.limits:
        assert limit.reached <= limit.limit
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    again = tenfold.load(tenfold.save(result, tmp_path / "small"), model)
    torch.testing.assert_close(again(x), result.model(x), rtol=1e-4, atol=1e-5)
    applied = tenfold.apply(result.plan, model, calibration=real)
    torch.testing.assert_close(applied(x), result.untuned(x), rtol=1e-3, atol=1e-4)
    seen = torch.cat(real)
    bare = off(rebuild(model, result.plan), model, seen)
    assert off(applied, model, seen) < 1.1 * bare  # fits are judged on other inputs


@every_network
@pytest.mark.parametrize("method", ["vbmf", "energy"])
def test_half_precision_and_channels_last_are_handed_back(kind, method):
    model, x, _ = network(kind)
    layout = torch.channels_last_3d if x.ndim == 5 else torch.channels_last
    model, x = model.to(memory_format=layout).bfloat16(), x.bfloat16()
    plan = tenfold.plan(model, x, "params=0.6", method=method, metric="frobenius")
    small = tenfold.apply(plan, model)
    assert COSTS["params"].measure(small, x) == plan.predicted["params"]
    assert plan.predicted["params"] <= 0.6 * plan.before["params"]
    assert {p.dtype for p in small.parameters()} == {torch.bfloat16}
    assert small(x).dtype == torch.bfloat16
    wide = [p for p in small.parameters() if p.ndim == max(4, x.ndim)]
    assert all(p.is_contiguous(memory_format=layout) for p in wide)


@pytest.mark.parametrize("kind", ["groups", "standardised"])
def test_ranks_are_refined_end_to_end(kind, monkeypatch):
    monkeypatch.setattr(realise, "CLEARLY", math.inf)  # the trained plan is taken where it fits
    model, x, real = network(kind)
    result = tenfold.compress(
        model, x, "params=0.6", calibration=real, refine="end-to-end", formats=["cp", "tucker"]
    )
    for limit in result.report.limits:
        assert limit.reached <= limit.limit
    assert result.plan.trace[0].keys() == {"step", "loss", "params"}  # of the training


def test_what_has_nothing_to_factor_says_so():
    layers = [
        nn.Conv1d(8, 8, 9, groups=8),  # a row of a channel is what it would be factored to
        nn.Conv2d(8, 8, 1, groups=8),
        nn.Conv2d(8, 8, 2, groups=8),  # a column and a row are as many numbers as the window
        nn.Conv2d(8, 16, (3, 1), groups=8),
        nn.ConvTranspose3d(8, 4, 3, groups=4),
    ]
    for layer in layers:
        assert "nothing to factor" in kind_of(layer).refuses(layer)


def test_depthwise_layers_are_split_in_a_column_and_a_row_and_in_nothing_else():
    for label, (layer, _) in LAYERS_AND_INPUTS.items():
        site = describe(layer, label)
        serve = {name for name in FORMATS if FORMATS[name].refuses(site) is None}
        assert site.lone == label.startswith("depthwise")
        assert not site.lone or serve == {"dense", "spatial"}


def test_depthwise_layers_are_neither_sensed_nor_fitted_and_round_over_all_channels():
    model, x, real = network("depthwise")
    found = survey(model, x)
    assert set(estimate_moments(model, found.sites, real)) == {"7"}
    plan = tenfold.plan(model, x, "params=0.4", include=("0", "3"), round_to=8, metric="frobenius")
    assert {(c.format, c.ranks) for c in plan.choices} == {("spatial", (1,))}
    assert fittable(model, plan) == {}
    three = next(site for site in found.sites if site.name == "0")
    assert [step_at(replace(three, groups=n), 8) for n in (16, 12, 7)] == [1, 2, 8]


def test_one_channel_is_refused():
    assert "channel counts is 1" in kind_of(nn.Conv2d(8, 1, 3)).refuses(nn.Conv2d(8, 1, 3))


def test_the_published_search_serves_layers_with_groups():
    model, x, _ = network("groups")
    plan = tenfold.plan(
        model, x, "params=0.8", method="super-layer", metric="frobenius", formats=["tucker"]
    )
    assert any(choice.format == "tucker" for choice in plan.choices)
    assert COSTS["params"].measure(tenfold.apply(plan, model), x) == plan.predicted["params"]
