"""Test data without labels, networks that look into what was merged, half precision in a runtime:
measured and exported all the same, or told in one sentence."""

from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

import tenfold
from tenfold.bench import compare
from tenfold.deploy.fuse import fuse
from tenfold.deploy.measure import score
from tenfold.deploy.prepare import answers, prepare_layer
from tenfold.errors import InputError
from tenfold.latency.folder import write_folder
from tenfold.runtimes import ENGINES, FILES
from tenfold.training.score import accuracy
from tests.networks import tiny_resnet


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(4))


def test_files_are_scored_as_models_are():
    model, x = tiny_resnet(), noise(4, 3, 12, 12)
    with torch.no_grad():
        right = model(x).argmax(1)
    some = [(x, torch.tensor([right[0], right[1], -100, -100]))]
    with torch.no_grad():
        assert score(model, some, 2, dynamic=True, class_mode=1) == accuracy(model, some) == 100.0
        assert score(model, [x], 2, dynamic=True, class_mode=1) is None
        with pytest.raises(InputError, match="Labels must be classes along mode 1"):
            score(model, [(x, right[:, None])], 2, dynamic=True, class_mode=1)


@pytest.mark.parametrize(
    ("batch", "told"),
    [
        (noise(4, 3, 12, 12), "Accuracy needs labelled batches"),
        ((noise(4, 3, 12, 12), torch.zeros(4, 1, dtype=torch.long)), "Labels must be classes"),
        ((noise(4, 4, 12, 12), torch.zeros(4, dtype=torch.long)), "must run through the model"),
    ],
)
def test_test_batches_that_do_not_fit_are_told(batch, told):
    with pytest.raises(InputError, match=told) as caught:
        accuracy(tiny_resnet(), [batch])
    assert "\n" not in str(caught.value)


class LooksInside(nn.Module):
    """Reads an attribute of the BatchNorm that fusing merges away."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)

    def forward(self, x):
        return self.norm(self.conv(x)).mean((2, 3)).view(-1, self.norm.num_features)


def test_a_network_that_looks_into_a_merged_layer_comes_back_unfused(tmp_path):
    model, x = LooksInside().eval(), noise(2, 3, 8, 8)
    assert isinstance(fuse(model, x).norm, nn.BatchNorm2d)
    tenfold.export(model, x, tmp_path / "net.pt2", to="torch-export")


class Two(nn.Module):
    """A second output of another kind."""

    def __init__(self, second):
        super().__init__()
        self.conv, self.norm, self.second = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), second

    def forward(self, x):
        y = self.norm(self.conv(x)).mean((2, 3))
        return y, self.second(y)


@pytest.mark.parametrize(
    "second", [lambda y: y > 0, lambda y: y[:, :0], lambda y: y.masked_fill(y > 0, -torch.inf)]
)
def test_outputs_that_are_no_plain_numbers_are_fused_too(second):
    fused = fuse(Two(second).eval(), noise(2, 3, 8, 8))
    assert isinstance(fused.norm, nn.Identity)


def test_a_batch_size_that_the_network_does_not_take_is_told():
    class Single(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(64, 4)

        def forward(self, x):
            return self.linear(x.view(1, 64))

    with pytest.raises(InputError, match="must run at batch 32, but found RuntimeError"):
        compare({"it": Single()}, noise(1, 64), batches=(1, 32), runs=1)


@dataclass
class Output:
    """What a network of a library may put out."""

    logits: Tensor | None


class Wrapped(nn.Module):
    """Puts out a value of a class of its own."""

    def __init__(self, empty):
        super().__init__()
        self.linear, self.empty = nn.Linear(4, 4), empty

    def forward(self, x):
        return Output(None if self.empty else self.linear(x))


def test_an_output_without_a_tensor_is_told():
    with pytest.raises(InputError, match="must be or hold a tensor, but found Output"):
        compare({"it": Wrapped(empty=True)}, noise(1, 4), runs=1)


def test_an_output_of_a_class_of_its_own_is_timed():
    (cell, *_) = compare({"it": Wrapped(empty=False)}, noise(1, 4), engines=("eager",), runs=1)
    assert cell.models["it"].difference < 1e-4


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_chain_runs_in_onnx_runtime_in_its_own_type(dtype):
    pytest.importorskip("onnxruntime")
    model, x = nn.Conv2d(3, 8, 3).to(dtype), noise(1, 3, 8, 8).to(dtype)
    (found,) = prepare_layer(ENGINES["onnxruntime"], model, x)()
    apart = torch.from_numpy(found).float() - model(x).float()
    assert found.dtype.name == str(dtype).removeprefix("torch.")
    assert float(apart.detach().abs().max()) < 2e-2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_types_that_onnx_runtime_lacks_are_told(dtype):
    pytest.importorskip("onnxruntime")
    model, x = nn.Conv2d(3, 8, 3).to(dtype), noise(1, 3, 8, 8).to(dtype)
    with pytest.raises(InputError, match="eager") as caught:
        prepare_layer(ENGINES["onnxruntime"], model, x)
    assert "\n" not in str(caught.value)


class Words(nn.Module):
    """Indices in, with dropout, handed over in training mode."""

    def __init__(self):
        super().__init__()
        self.words, self.drop, self.out = nn.Embedding(7, 16), nn.Dropout(0.9), nn.Linear(16, 16)

    def forward(self, x):
        return self.out(self.drop(self.words(x)))


def test_a_table_of_a_network_on_indices_is_measured(tmp_path):
    pytest.importorskip("onnxruntime")
    from tenfold.curves.trace import cheapest_curves
    from tenfold.latency import read_table
    from tenfold.survey.stage import survey

    model, x = Words(), torch.tensor([[0, 6, 3]])
    found = survey(model, x)
    write_folder(model, x, cheapest_curves(found, ["svd"], 8), tmp_path / "layers")
    assert b"Dropout" not in (tmp_path / "layers" / "whole.onnx").read_bytes()
    command = [
        sys.executable,
        tmp_path / "layers" / "measure_table.py",
        tmp_path / "layers",
        "--runs",
        "3",
        "--out",
        tmp_path / "table.json",
    ]
    subprocess.run(command, check=True, capture_output=True)
    table = read_table(tmp_path / "table.json")
    assert table.network == {"params": found.totals["params"], "macs": found.totals["macs"]}
    other = copy.deepcopy(model)
    other.words = nn.Embedding(9, 16)
    budget = "latency=0.9@onnxruntime"
    with pytest.raises(InputError, match="must hold every layer of the network"):
        tenfold.plan(other, x, budget, metric="frobenius", latency_table=tmp_path / "table.json")


@pytest.mark.parametrize("kind", ["executorch", "onnx", "openvino", "torch-export"])
def test_images_of_one_channel_in_channels_last(kind, tmp_path):
    """One channel makes both memory formats contiguous, and a runtime reads the strides."""
    if FILES[kind].unavailable():
        pytest.skip(FILES[kind].unavailable())
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 8, 3, 1, 1), nn.ReLU(), nn.Conv2d(8, 4, 3, 2, 1)
    model = nn.Sequential(*layers).eval().to(memory_format=torch.channels_last)
    x = noise(1, 1, 14, 10).to(memory_format=torch.channels_last)
    path = tmp_path / f"net{FILES[kind].suffix}"
    assert tenfold.export(model, x, path, to=kind).difference < 1e-4
    assert model[0].weight.stride() == (9, 1, 3, 1)
    (found,) = answers(FILES[kind].load(path), x)
    assert torch.allclose(found, model(x).detach(), atol=1e-4)
