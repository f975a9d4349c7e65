"""A layer is what it computes: what is proved is factored, what is not is told with a way out."""

from __future__ import annotations

import copy
import re
import threading
import warnings
from dataclasses import replace

import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.nn.utils.parametrize import register_parametrization

import tenfold
from tenfold.formats import FORMATS
from tenfold.layers import describe, kind_of, links_of, weight_of
from tenfold.machine.processes import torch_threads
from tenfold.survey import survey
from tenfold.values import Choice
from tests.computing import (
    Adapted,
    Causal,
    Clipped,
    Drawn,
    Equalised,
    Halving,
    PadFixed,
    PadSame,
    Plain,
    Rectified,
    Routed,
    Standardised,
    SwappedWeight,
)


def seeded(make):
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(1)
        return make().eval()


def pruned(layer):
    prune.l1_unstructured(layer, "weight", 0.4)
    return layer


def volumes():
    return nn.Sequential(
        parametrizations.weight_norm(nn.Conv3d(4, 16, 3, padding=1)),
        nn.ReLU(),
        parametrizations.weight_norm(nn.ConvTranspose3d(16, 8, 2, stride=2)),
    )


def audio():
    return nn.Sequential(
        nn.utils.weight_norm(nn.Conv1d(4, 16, 5, padding=2)),
        nn.ELU(),
        Causal(16, 16, 3, dilation=2),
        nn.ELU(),
        nn.utils.weight_norm(nn.ConvTranspose1d(16, 16, 4, 2, 1)),
        nn.ELU(),
        parametrizations.weight_norm(nn.Conv1d(16, 8, 3, padding=1, padding_mode="reflect")),
    )


def mobile():
    return nn.Sequential(
        PadSame(4, 16, 3, stride=2),
        nn.BatchNorm2d(16),
        nn.SiLU(),
        PadFixed(16, 16, 3, stride=2, sides=(0, 1, 0, 1)),
        nn.SiLU(),
        PadFixed(16, 16, 3, sides=(1, 1, 1, 1)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        Plain(16, 8),
    )


def normalizer_free():
    return nn.Sequential(
        Standardised(4, 16, 3, padding=1),
        nn.ReLU(),
        Standardised(16, 16, 3, stride=2, padding=1, groups=2),
        nn.ReLU(),
        Equalised(16, 16, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.utils.spectral_norm(nn.Linear(16, 8)),
    )


def sequences():
    return nn.Sequential(
        SwappedWeight(24, 16),
        nn.GELU(),
        SwappedWeight(16, 24),
        nn.LayerNorm(16),
        pruned(nn.Linear(16, 16)),
        nn.GELU(),
        parametrizations.orthogonal(nn.Linear(16, 16)),
    )


QUICK = {"metric": "frobenius", "formats": ["svd", "svd-in"]}
NETWORKS = {
    "volumes": (volumes, (2, 4, 4, 3, 5), 2),
    "audio": (audio, (2, 4, 13), 4),
    "mobile": (mobile, (2, 4, 15, 12), 4),
    "normalizer-free": (normalizer_free, (2, 4, 8, 9), 4),
    "sequences": (sequences, (2, 5, 16), 4),
}


def example(name):
    return torch.randn(NETWORKS[name][1], generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_such_layers_are_compressed(name, tmp_path):
    make, _, count = NETWORKS[name]
    model, x = seeded(make), example(name)
    before = copy.deepcopy(model.state_dict())
    found = survey(model, x)
    assert len(found.sites) == count
    assert all("scales and shifts" in refusal.reason for refusal in found.refusals)
    result = tenfold.compress(model, x, "params=0.6,macs=0.9", **QUICK)
    assert any(choice.format != "dense" for choice in result.plan.choices)
    for limit in result.report.limits:
        assert limit.reached <= limit.limit
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    folder = tenfold.save(result, tmp_path / "small")
    torch.testing.assert_close(tenfold.load(folder, seeded(make))(x), result.model(x))


def test_somebody_else_s_code_runs_in_one_thread_alone():
    """Gradients of one weight in two threads stop for good in torch, each waiting for the other."""
    threads = set()

    class Watched(Equalised):
        def forward(self, x):
            threads.add(threading.get_ident())
            return super().forward(x)

    model = seeded(lambda: nn.Sequential(Watched(4, 16, 3), nn.ReLU(), Watched(16, 8, 3)))
    with torch_threads(2):
        plan = tenfold.plan(model, torch.randn(2, 4, 6, 5), "params=0.5", **QUICK)
        tenfold.apply(plan, model)
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("name", NETWORKS)
def test_full_ranks_compute_the_same_on_inputs_of_any_size(name):
    make, shape, _ = NETWORKS[name]
    model = seeded(make)
    full = [choice_of(site) for site in survey(model, example(name)).sites]
    plan = tenfold.plan(model, example(name), "params=1", **QUICK)
    built = tenfold.apply(replace(plan, choices=tuple(full)), model)
    larger = torch.randn(*shape[:2], *(n + 1 for n in shape[2:-1]), shape[-1])
    for x in (example(name), larger, example(name)[:1]):
        torch.testing.assert_close(built(x), model(x), rtol=1e-3, atol=1e-4)


def choice_of(site):
    """The layer as an SVD that loses nothing."""
    return Choice(site.name, "svd", FORMATS["svd"].rank_limits(site), 0.0, 0.0, {}, {})


@pytest.mark.parametrize("name", ["audio", "mobile", "volumes"])
def test_the_result_runs_elsewhere(name, tmp_path):
    model, x = seeded(NETWORKS[name][0]), example(name)
    small = tenfold.compress(model, x, "params=0.6", **QUICK).model
    done = tenfold.export(small, x, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(done.path)
    (output,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    torch.testing.assert_close(torch.from_numpy(output), small(x), rtol=1e-3, atol=1e-4)


def test_the_weight_is_the_one_that_is_used():
    layer = seeded(lambda: pruned(nn.Linear(8, 6)))
    assert torch.equal(weight_of(layer), layer.weight_orig * layer.weight_mask)
    layer = seeded(lambda: SwappedWeight(6, 8))
    assert torch.equal(weight_of(layer), layer.weight.T)
    assert kind_of(layer).bias(layer) is layer.bias  # though it is all zeros
    layer = seeded(lambda: Equalised(4, 6, 3))
    assert torch.equal(kind_of(layer).bias(layer), layer.bias * 0.1)
    with torch.no_grad():
        layer.weight.zero_()  # proved once, read anew
    assert not weight_of(layer).any()


def test_padding_alike_on_both_sides_needs_no_layer_in_front():
    layer = seeded(lambda: PadFixed(4, 6, 3, sides=(1, 1, 2, 2)))
    assert describe(layer, "").padding == (2, 1)
    layer = seeded(lambda: PadSame(4, 6, 3))  # without a stride it is the same at every size
    assert describe(layer, "").padding == (1, 1)


REFUSED = {
    "more": (lambda: Rectified(8, 6), "not those of its first weight.*stock layer in its place"),
    "more when large": (lambda: Clipped(4, 6, 3), "not those of its first weight"),
    "drawn": (lambda: Drawn(4, 6, 3), "not those of its first weight"),
    "of the input": (lambda: Routed(4, 6, 3), "not those of its first weight"),
    "of the call": (lambda: Halving(8, 6), "not those of its first weight"),
    "drawn by a parametrization": (
        lambda: register(nn.Linear(8, 6)),
        "not those of its first weight.*remove_parametrizations",
    ),
    "with others inside": (lambda: Adapted(8, 6), "layers of its own"),
    "one channel": (lambda: parametrizations.weight_norm(nn.Conv1d(1, 6, 3)), "channel counts"),
    "depthwise": (lambda: PadSame(6, 6, (1, 3), groups=6), "nothing to factor"),
}


class Shaken(nn.Module):
    def forward(self, weight):
        return weight + torch.rand_like(weight)


def register(layer):
    register_parametrization(layer, "weight", Shaken())
    return layer


@pytest.mark.parametrize("label", REFUSED)
def test_what_is_not_proved_is_told_with_the_way_out(label):
    make, told = REFUSED[label]
    layer = seeded(make)
    state, drawn = copy.deepcopy(layer.state_dict()), torch.get_rng_state()
    assert re.search(told, kind_of(layer).refuses(layer))
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(value, state[name]) for name, value in layer.state_dict().items())


def test_hooks_beside_those_of_torch_are_in_the_way():
    layer = seeded(lambda: nn.utils.weight_norm(nn.Linear(8, 6)))
    assert kind_of(layer).refuses(layer) is None
    layer.register_forward_hook(lambda *_: None)
    assert "hooks" in kind_of(layer).refuses(layer)


def test_what_takes_the_place_is_made_of_stock_layers():
    model, x = seeded(mobile), example("mobile")
    plan = tenfold.plan(model, x, "params=0.5", **QUICK)
    small = tenfold.apply(plan, model)
    for choice in plan.choices:
        part = small.get_submodule(choice.site)
        if choice.format != "dense":
            assert all(type(la).__module__.startswith("torch.nn.") for la in links_of(part))
