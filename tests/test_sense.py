"""Sensing: statistics are met, moments are what they say, damages are measured, caches help."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import tenfold
from tenfold.curves import measure_damages
from tenfold.curves.damage import read, replaced, rising
from tenfold.curves.trace import trace_curves
from tenfold.data.cache import cached
from tenfold.data.synthesise import can_synthesise, mismatch, synthesise
from tenfold.errors import InputError, TrainingError
from tenfold.formats.metric import Root
from tenfold.layers import LAYERS, describe
from tenfold.pipeline.compress import at_level
from tenfold.sense import sense
from tenfold.sense.moments import Sums, accumulate, estimate_moments
from tenfold.sense.noise import as_large, level_of
from tenfold.survey import survey
from tenfold.tasks import read_task
from tests.networks import example, tiny_resnet, with_statistics

CLASSES = read_task("classes")


class Sequence1d(nn.Module):
    """BatchNorm after the activation, over one axis."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv1d(4, 12, 3, padding=1), nn.BatchNorm1d(12)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        return self.head(self.norm(torch.relu(self.conv(x))).mean(2))


def sequence():
    torch.manual_seed(0)
    return with_statistics(Sequence1d(), torch.randn(64, 4, 10))


NETWORKS = {"2d": (tiny_resnet, example()), "1d after relu": (sequence, torch.zeros(1, 4, 10))}


@pytest.mark.parametrize("kind", NETWORKS)
def test_synthetic_inputs_meet_the_statistics(kind):
    make, x = NETWORKS[kind]
    model = make()
    torch.manual_seed(0)
    noise = 3 * torch.randn(32, *x.shape[1:])
    made = synthesise(model, x, 32, steps=60)
    assert made.shape == noise.shape
    with torch.no_grad():
        assert mismatch(model, made) < 0.1 * mismatch(model, noise)


def test_what_cannot_be_synthesised():
    assert not can_synthesise(nn.Sequential(nn.Linear(3, 3)), torch.zeros(1, 3))
    assert not can_synthesise(tiny_resnet(), torch.zeros(1, 5, dtype=torch.long))
    assert not can_synthesise(tiny_resnet(), {"x": example()})


def test_moments_are_those_of_a_linear_layer_worked_by_hand():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 1))
    x = torch.randn(50, 5)
    sites = survey(model, x[:1]).sites
    sums = {"0": Sums()}
    accumulate(model, {"0": sites[0]}, sums, x)
    assert torch.allclose(sums["0"].inputs.total, x.T @ x, atol=1e-4)
    direction = model[1].weight.detach()[0]
    found = sums["0"].outputs.total / sums["0"].outputs.total.trace()
    assert torch.allclose(found, torch.outer(direction, direction) / direction.square().sum())


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False),
        nn.Conv2d(3, 4, (2, 3), padding="same", dilation=(1, 2), bias=False),
        nn.Conv1d(3, 4, 4, padding="same", bias=False),
        nn.Conv1d(3, 4, 3, padding=1, dilation=2, bias=False),
        nn.Conv2d(3, 4, (3, 5), padding=(1, 2), padding_mode="reflect", bias=False),
        nn.Conv2d(3, 4, 3, padding="same", padding_mode="circular", bias=False),
        nn.Conv1d(3, 4, 3, padding=2, padding_mode="replicate", bias=False),
    ],
)
def test_patches_are_what_the_layer_sees(layer):
    x = torch.randn(2, 3, *[7] * len(layer.kernel_size))
    site = describe(layer, "layer")
    rows = LAYERS[site.kind].fields(site, x)
    expected = layer(x).movedim(1, -1).flatten(0, -2)
    assert torch.allclose(rows @ layer.weight.flatten(1).T, expected, atol=1e-5)


def test_a_root_squares_to_the_damped_moment_and_its_inverse_undoes_it():
    x = torch.randn(6, 20)
    moment = x @ x.T
    root = Root.of(moment, ridge=0.1)
    damped = moment + 0.1 * moment.diagonal().mean() * torch.eye(6)
    assert torch.allclose(root.root @ root.root, damped, atol=1e-3)
    assert torch.allclose(root.root @ root.inverse, torch.eye(6), atol=1e-4)


def test_sensing_is_reproducible_and_leaves_no_trace():
    model = tiny_resnet().train()
    before = copy.deepcopy(model.state_dict())
    found = survey(model, example())
    first, second = (sense(model, found, example(), images=16) for _ in range(2))
    assert torch.equal(first.batches[0], second.batches[0])
    for name in first.metrics:
        assert torch.equal(first.metrics[name].inputs.root, second.metrics[name].inputs.root)
    assert model.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_damage_is_measured_one_layer_at_a_time():
    model = tiny_resnet()
    found = survey(model, example())
    inputs = torch.randn(16, 3, 12, 12)
    curves = trace_curves(model, found, formats=["svd"])
    damages = measure_damages(model, curves, [inputs], task=CLASSES)
    for curve, damage in zip(curves, damages):
        assert damage.shape == curve.errors.shape
        if curve.format == "dense":
            assert not damage.any()
            continue
        order = curve.errors.argsort()
        assert bool((damage[order].diff() >= -1e-12).all()), "a larger error does more damage"
    last = next(c for c in curves if c.site.name == "head" and c.format == "svd")
    plan = tenfold.plan(model, example(), "params=5650", metric="frobenius", include=["head"])
    built = tenfold.apply(plan, model)
    choice = next(c for c in plan.choices if c.format == "svd")
    row = last.ranks[:, 0].tolist().index(choice.ranks[0])
    with torch.no_grad():
        true = CLASSES.distance(built(inputs), model(inputs))
    assert float(damages[curves.index(last)][row]) == pytest.approx(true, rel=0.5)


def test_damages_between_points_are_linear_in_the_logarithms():
    x, y = rising([(0.01, 0.1), (1.0, 10.0)])
    errors = torch.tensor([0.0, 0.001, 0.01, 0.1, 1.0], dtype=torch.float64)
    assert read(x, y, errors).tolist() == pytest.approx([0, 0.01, 0.1, 1.0, 10.0])


def test_a_replaced_layer_comes_back():
    model = tiny_resnet()
    before = model(example())
    with replaced({model.down: nn.Conv2d(12, 24, 3, 2, 1)}):
        assert not torch.equal(model(example()), before)
    assert torch.equal(model(example()), before)


def test_calibration_takes_real_inputs():
    data = [(torch.randn(8, 3, 12, 12), torch.zeros(8).long())] * 3
    plan = tenfold.plan(tiny_resnet(), example(), "params=0.5", calibration=data)
    assert plan.origin == "calibration"
    with pytest.raises(InputError, match="hold a batch"):
        tenfold.plan(tiny_resnet(), example(), "params=0.5", calibration=[])


def test_calibration_that_raises_is_told():
    def broken():
        yield torch.randn(8, 3, 12, 12)
        raise OSError("the disk has gone")

    with pytest.raises(TrainingError, match="but found OSError: the disk has gone; mend it"):
        tenfold.plan(tiny_resnet(), example(), "params=0.5", calibration=broken())


def test_networks_without_statistics_fall_back_to_frobenius():
    model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16))
    plan = tenfold.plan(model, torch.zeros(1, 16), "params=0.7")
    assert plan.origin == "frobenius"
    with pytest.raises(InputError, match="BatchNorm"):
        tenfold.plan(model, torch.zeros(1, 16), "params=0.7", metric="synthetic")
    with pytest.raises(InputError, match="'euclid'"):
        tenfold.plan(model, torch.zeros(1, 16), "params=0.7", metric="euclid")


def test_volumes_without_statistics_are_measured_on_noise_as_large_as_the_example():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv3d(1, 6, 3), nn.ReLU(), nn.Conv3d(6, 4, 3)).eval()
    shown = 0.5 + 0.1 * torch.randn(1, 1, 20, 20, 20)
    sensed = sense(model, survey(model, shown), shown)
    assert sensed.origin == "noise"
    noise = torch.cat([*sensed.batches, *sensed.apart])
    assert noise.shape[1:] == shown.shape[1:]
    assert float(noise.mean()) == pytest.approx(0.5, abs=0.05)
    assert float(noise.std()) == pytest.approx(0.1, rel=0.3)
    again = level_of(at_level(torch.zeros(shown.shape), level_of(shown)))
    assert again == level_of(shown), "a plan's example makes the same noise"
    near = (noise[..., 1:] - noise[..., :-1]).std()
    assert float(near) < 0.1, "neighbours are alike, as in pictures"


def test_noise_is_unit_where_an_example_says_nothing():
    noise = torch.randn(5, 3)
    assert torch.equal(as_large(noise, torch.zeros(1, 3)), noise)
    assert torch.equal(as_large(noise, torch.full((1, 3), torch.inf)), noise)
    assert torch.equal(as_large(noise, torch.ones(1)), noise)


def test_images_without_statistics_are_measured_on_noise():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(8 * 64, 4)
    )
    result = tenfold.compress(model, example(), "params=0.6")
    assert result.plan.origin == "noise"
    again = tenfold.apply(result.plan, model)
    for kept, made in zip(result.model.parameters(), again.parameters()):
        assert torch.equal(kept, made)
    with pytest.raises(InputError, match="real numbers"):
        tenfold.plan(model, (example(),), "params=0.6", metric="noise")


def test_apply_fits_in_the_metric_of_the_plan():
    model = tiny_resnet()
    result = tenfold.compress(model, example(), "params=0.4")
    again = tenfold.apply(result.plan, model)
    assert torch.allclose(again(example()), result.model(example()), atol=1e-5)


def test_the_cache_knows_the_model_and_survives_damage(tmp_path, monkeypatch):
    monkeypatch.setenv("TENFOLD_CACHE", str(tmp_path))
    made = []

    def make():
        made.append(1)
        return {"x": torch.ones(2)}

    model = tiny_resnet()
    assert torch.equal(cached(("k",), model, make)["x"], cached(("k",), model, make)["x"])
    assert len(made) == 1
    with torch.no_grad():
        model.head.bias.add_(1)
    cached(("k",), model, make)
    assert len(made) == 2
    for entry in tmp_path.iterdir():
        entry.write_bytes(b"rubbish")
    cached(("k",), model, make)
    assert len(made) == 3
    monkeypatch.setenv("TENFOLD_CACHE", "")
    cached(("k",), model, make)
    assert len(made) == 4


def test_what_is_made_and_what_is_read_lie_in_memory_alike(tmp_path, monkeypatch):
    monkeypatch.setenv("TENFOLD_CACHE", str(tmp_path))

    def make():
        grey = torch.rand(6, 1, 4, 4).to(memory_format=torch.channels_last)
        return {"x": grey[2:]}  # contiguous by either layout, and not at the start of its storage

    fresh, read = (cached(("k",), tiny_resnet(), make)["x"] for _ in range(2))
    monkeypatch.setenv("TENFOLD_CACHE", "")
    without = cached(("k",), tiny_resnet(), make)["x"]
    assert fresh.stride() == read.stride() == without.stride() == (16, 16, 4, 1)
    assert fresh.storage_offset() == without.storage_offset() == 0


def test_moments_of_a_site_that_no_gradient_reaches_keep_the_identity():
    class Detached(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x):
            return self.b(self.a(x).detach())

    model = Detached()
    found = survey(model, torch.zeros(1, 6))
    metrics = estimate_moments(model, found.sites, [torch.randn(20, 6)])
    assert metrics["a"].outputs is None
    assert metrics["a"].inputs is not None
    assert metrics["b"].outputs is not None
