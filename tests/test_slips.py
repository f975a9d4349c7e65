"""What people pass by mistake is told in one sentence."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import tenfold
from tenfold.errors import InputError


def net():
    return nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 8)).eval()


MODELS = {
    "the class Linear": nn.Linear,
    "a state dict": net().state_dict(),
    "the path 'net.pt'": "net.pt",
    "type int": 3,
    "in TorchScript": torch.jit.trace(net(), torch.ones(1, 8)),
    "an ExportedProgram": torch.export.export(net(), (torch.ones(1, 8),)),
    "0.weight on the meta device": net().to("meta"),
    "a Linear alone": nn.Linear(8, 8),
    "0 quantised": nn.Sequential(torch.ao.nn.quantized.Linear(8, 8)),
}


@pytest.mark.parametrize("found", MODELS)
def test_what_is_no_network_is_named(found):
    with pytest.raises(InputError, match=found) as caught:
        tenfold.plan(MODELS[found], torch.ones(1, 8), "params=0.5")
    assert "\n" not in str(caught.value)


def test_modules_for_patterns_are_told():
    model = net()
    with pytest.raises(InputError, match="exclude must be a list of names"):
        tenfold.plan(model, torch.ones(1, 8), "params=0.5", exclude=[model[0]])


@pytest.mark.parametrize("use", ["data", "calibration"])
def test_a_dataset_for_batches_is_told(use):
    data = TensorDataset(torch.ones(4, 8))
    with pytest.raises(InputError, match="pass a DataLoader of it"):
        tenfold.compress(net(), torch.ones(1, 8), "params=0.5", **{use: data})
