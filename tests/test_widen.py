"""Networks of half and of double precision: planned like single ones, handed back as they came."""

from __future__ import annotations

import copy

import pytest
import torch

import tenfold
from tenfold.build.narrow import narrowed
from tenfold.network.guest import widened
from tests.networks import example, tiny_resnet
from tests.tuning import same

HALVES = [torch.float16, torch.bfloat16]


def lines(plan):
    return [(c.site, c.format, c.ranks) for c in plan.choices]


@pytest.mark.parametrize(
    ("dtype", "refine"), [*((dtype, "layers") for dtype in HALVES), (HALVES[0], "end-to-end")]
)
def test_a_half_network_is_compressed_like_its_single_copy(dtype, refine):
    model = tiny_resnet().to(dtype)
    single = copy.deepcopy(model).float()
    found = tenfold.compress(model, example().to(dtype), "params=0.4", refine=refine)
    wanted = tenfold.compress(single, example(), "params=0.4", refine=refine)
    assert lines(found.plan) == lines(wanted.plan)
    assert same(found.model, wanted.model.to(dtype))
    assert {p.dtype for p in found.model.parameters()} == {dtype}
    counters = sum(b.nbytes for b in model.buffers() if not b.is_floating_point())
    halved = (wanted.report.after["bytes"] - counters) / 2
    assert found.report.after["bytes"] - counters == halved
    assert found.model(example(2).to(dtype)).dtype == dtype


@pytest.mark.parametrize("dtype", HALVES)
def test_a_plan_of_a_half_network_is_applied_again(dtype):
    model = tiny_resnet().to(dtype)
    plan = tenfold.plan(model, example().to(dtype), "params=0.4")
    assert same(tenfold.apply(plan, model), tenfold.apply(plan, model.float()).to(dtype))


@pytest.mark.parametrize("dtype", [*HALVES, torch.float64])
def test_any_precision_is_fine_tuned_on_batches_of_its_own(dtype):
    model = tiny_resnet().to(dtype)
    batches = [torch.randn(8, 3, 12, 12).to(dtype) for _ in range(3)]
    found = tenfold.compress(
        model, example().to(dtype), "params=0.4", data=batches, epochs=2, calibration=batches
    )
    assert {p.dtype for p in found.model.parameters()} == {dtype}
    assert found.report.history[-1]["loss"] < found.report.history[0]["loss"]
    assert all(bool(p.isfinite().all()) for p in found.model.parameters())
    assert not same(found.model, found.untuned)


def test_single_networks_are_not_copied_and_halves_keep_every_type():
    model = tiny_resnet()
    assert widened(model) is model
    model.head.half()
    plan = tenfold.plan(tiny_resnet(), example(), "params=0.4", metric="frobenius")
    wide = widened(model)
    assert {p.dtype for p in wide.parameters()} == {torch.float32}
    built = narrowed(tenfold.apply(plan, wide), model, plan)
    assert {p.dtype for n, p in built.named_parameters() if n.startswith("head")} == {torch.float16}
    assert {p.dtype for n, p in built.named_parameters() if n.startswith("stem")} == {torch.float32}
    assert not built._forward_pre_hooks
