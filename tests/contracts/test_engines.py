"""What every registered engine must keep: it computes what PyTorch computes."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import nn

from tenfold.bench import compare
from tenfold.errors import InputError, MissingExtra
from tenfold.network.arrays import first_tensor
from tenfold.network.call import run
from tenfold.runtimes.engines import ENGINES, check_available
from tenfold.runtimes.engines._onnx import export, to_onnx
from tests.networks import example, tiny_resnet

HERE = [
    pytest.param(name, marks=pytest.mark.skipif(bool(ENGINES[name].unavailable()), reason="absent"))
    for name in ENGINES
]
CHAINS = {
    "conv": (nn.Conv2d(6, 8, 3, stride=(2, 1), padding=(1, 0), dilation=(1, 2)), (2, 6, 9, 9)),
    "three": (
        nn.Sequential(
            nn.Conv2d(6, 4, 1, bias=False),
            nn.Conv2d(4, 4, 3, groups=4, padding=1, bias=False),
            nn.Conv2d(4, 8, 1),
        ),
        (1, 6, 7, 7),
    ),
    "conv1d": (nn.Conv1d(6, 8, 5, padding=2), (1, 6, 17)),
    "linear": (nn.Sequential(nn.Linear(12, 5, bias=False), nn.Linear(5, 9)), (3, 12)),
}


@pytest.mark.parametrize("name", HERE)
def test_outputs_agree_with_pytorch(name):
    model, x = tiny_resnet(), example(2)
    engine, mode, threads = ENGINES[name], model.training, torch.get_num_threads()
    package = engine.package(model, x)
    assert package.bytes > 4 * 5000  # it has the weights in it
    found = first_tensor(engine.load(package, x, 1)())
    assert torch.allclose(found, run(model, x), atol=1e-4)
    assert model.training == mode
    assert model.down.weight.is_contiguous()
    assert torch.get_num_threads() == threads
    assert engine.version()


@pytest.mark.parametrize("name", HERE)
def test_names_that_begin_with_a_digit_are_no_obstacle(name):
    if name == "compile":
        pytest.skip("the same as any model there")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU()).eval()
    x = torch.randn(1, 3, 6, 6)
    assert torch.allclose(first_tensor(ENGINES[name].prepare(model, x)()), run(model, x), atol=1e-4)


@pytest.mark.parametrize("name", HERE)
def test_a_prepared_run_outlives_its_package(name):
    if name == "compile":
        pytest.skip("it has no package")
    torch.manual_seed(0)
    x, models = torch.randn(2, 64), (nn.Linear(64, 64), nn.Linear(64, 48))
    runs = [ENGINES[name].prepare(model.eval(), x) for model in models]
    gc.collect()
    overwriting = [b"\xff" * size for size in range(1000, 40_000, 50)]
    for model, forward in [*zip(models, runs)] * 2:
        assert torch.allclose(first_tensor(forward()), run(model, x), atol=1e-4)
    assert overwriting


@pytest.mark.parametrize("label", CHAINS)
def test_chains_written_node_by_node_compute_the_same(label):
    onnxruntime = ENGINES["onnxruntime"]
    if onnxruntime.unavailable():
        pytest.skip("absent")
    layer, shape = CHAINS[label]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = first_tensor(onnxruntime.prepare(layer, x)())
    assert torch.allclose(found, run(layer, x), atol=1e-5)


@pytest.mark.skipif(bool(ENGINES["onnxruntime"].unavailable()), reason="absent")
def test_a_model_that_does_not_export_is_told():
    class Data(nn.Module):
        def forward(self, x):
            return x + 1 if x.sum().item() > 0 else x - float(x.max())

    with pytest.raises(InputError, match="export to ONNX"):
        to_onnx(Data(), torch.zeros(2, 2))
    with pytest.raises(InputError, match="eager"):
        export(Data(), {"x": torch.zeros(2, 2)})


def test_a_missing_engine_is_one_sentence(monkeypatch):
    monkeypatch.setattr(ENGINES["onnxruntime"], "unavailable", lambda: "no onnxruntime; get it")
    with pytest.raises(MissingExtra, match=r"'onnxruntime' must be .* found no onnxruntime"):
        compare({}, example(), engines=("eager", "onnxruntime"))
    with pytest.raises(InputError, match="known name"):
        check_available("abacus")
