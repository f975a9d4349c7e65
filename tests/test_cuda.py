"""On a GPU, where there is one: planned, compressed and fine-tuned there as on a CPU."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import tenfold
from tenfold.errors import TrainingError
from tenfold.training import tune
from tests.networks import example
from tests.tuning import SETTINGS, Images, make_pair

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(autouse=True)
def exact():
    """Convolutions compute in fp32, not in TF32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def trained(settings, device="cuda", fail_at=None, **others):
    teacher, student = make_pair()
    images = Images(teacher, fail_at)
    return tune(student.to(device), teacher.to(device), images, settings=settings, **others)


def losses(tuned):
    return [epoch["loss"] for epoch in tuned.history]


def test_a_gpu_trains_as_a_cpu_does():
    assert losses(trained(SETTINGS)) == pytest.approx(losses(trained(SETTINGS, "cpu")), rel=1e-2)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ema": 0.9},
        {"precision": "fp16"},
        {"accumulate": 2},
        {"precision": "auto", "channels_last": True},
        {"batchnorm": "frozen"},
    ],
)
def test_a_run_on_a_gpu_resumes(tmp_path, changes):
    settings = replace(SETTINGS, epochs=6, **changes)
    whole = trained(settings)
    with pytest.raises(TrainingError, match="the disk has gone"):
        trained(settings, fail_at=15, checkpoint=tmp_path)
    resumed = trained(settings, checkpoint=tmp_path)
    assert losses(resumed) == pytest.approx(losses(whole), rel=5e-2)
    assert losses(resumed)[-1] < losses(resumed)[0]


def test_a_network_on_a_gpu_is_compressed_there():
    teacher, _ = make_pair()
    data = Images(teacher)
    result = tenfold.compress(teacher.cuda(), example().cuda(), "params=0.5", data=data, epochs=1)
    assert {p.device.type for p in result.model.parameters()} == {"cuda"}
    assert sum(p.numel() for p in result.model.parameters()) <= 0.5 * sum(
        p.numel() for p in teacher.parameters()
    )
