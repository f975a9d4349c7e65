"""Where networks come from: each source opened as a user does, and each slip in one sentence."""

from __future__ import annotations

import json
import sys
import types

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import tenfold
from tenfold.cli import main
from tenfold.errors import InputError, MissingExtra
from tenfold.sources import SOURCES, open_data, open_model
from tenfold.sources._hub import check_known, fetching, reachable
from tests.networks import example, tiny_resnet


class Classifier(nn.Sequential):
    """A network as a library would make it, with what timm notes of its inputs."""

    def __init__(self, channels=3):
        torch.manual_seed(0)
        layers = nn.Conv2d(channels, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        super().__init__(*layers, nn.Dropout(0.5), nn.Linear(16, 12))
        self.pretrained_cfg = {"input_size": (channels, 9, 9)}


@pytest.fixture
def timm(monkeypatch):
    """A stand-in for timm whose weights lie out of reach, as without a connection."""

    def create_model(name, pretrained):
        if pretrained:
            raise OSError("cannot reach the hub")
        return Classifier().train()

    fake = types.ModuleType("timm")
    fake.create_model = create_model
    fake.list_models = lambda pretrained=False: ["resnet18", "resnet34", "vit_tiny"]
    fake.__spec__ = types.SimpleNamespace(name="timm")
    hub = types.ModuleType("huggingface_hub")
    hub.constants = types.SimpleNamespace(HF_HUB_OFFLINE=False, ENDPOINT="https://hub.invalid")
    monkeypatch.setitem(sys.modules, "timm", fake)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    return hub


def test_a_network_of_timm_without_trained_weights(timm):
    loaded = open_model("timm:resnet18", weights="random")
    assert loaded.example.shape == (1, 3, 9, 9)
    assert not any(module.training for module in loaded.model.modules())
    assert open_model("timm:resnet18", "random", "2x3x5x7").example.shape == (2, 3, 5, 7)
    assert timm.constants.HF_HUB_OFFLINE is False


def test_weights_of_ones_own_need_no_hub(timm, tmp_path):
    state = {name: x + 1 for name, x in Classifier().state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    model = open_model("timm:resnet18", tmp_path / "w.safetensors").model
    assert torch.equal(model[0].bias, state["0.bias"])


def test_weights_out_of_reach_are_one_sentence_with_the_ways_out(timm, capsys):
    assert main(["inspect", "timm:resnet18"]) == 2
    told = capsys.readouterr().err.strip()
    assert len(told.splitlines()) == 1
    assert "cannot reach the hub" in told
    assert "--weights FILE" in told
    assert "--weights random" in told


def test_an_unknown_name_is_answered_with_the_nearest(timm):
    with pytest.raises(InputError, match="found 'resnet19'; try resnet18"):
        open_model("timm:resnet19")
    with pytest.raises(InputError, match=r"found 'qqq'; see things\.all\(\)"):
        check_known("A thing", "qqq", ["alpha", "beta"], "things.all()")


@pytest.mark.parametrize("name", [x for x in SOURCES if SOURCES[x].packages])
def test_a_missing_package_is_one_sentence(name, monkeypatch):
    source = SOURCES[name]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=rf"pip install 'tenfold\[{source.extra}\]'\.$"):
        open_model(source.form.split(" ")[0])


def test_an_error_of_ones_own_is_not_taken_for_a_missing_connection():
    with pytest.raises(InputError, match=r"^its own"), fetching("timm:a"):
        raise InputError("its own")
    assert not reachable("https://nowhere.invalid")


def test_a_network_is_no_data():
    with pytest.raises(
        InputError, match="Data must come from a source of data, but found 'timm:a'"
    ):
        open_data("timm:a", "train")


# What tenfold saved


def test_a_saved_directory_is_gone_on_from(tmp_path):
    small, smaller = tmp_path / "small", tmp_path / "smaller"
    (tmp_path / "net.py").write_text(
        "import torch\nfrom tests.networks import example, tiny_resnet\n"
        "def pair():\n    return tiny_resnet(), example()\n"
    )
    words = ["--metric", "frobenius", "--out"]
    source = f"{tmp_path}/net.py:pair"
    assert main(["compress", source, "--budget", "params=0.7", *words, str(small)]) == 0
    loaded = open_model(str(small))
    again = tenfold.load(small, tiny_resnet())
    assert torch.equal(loaded.example, example())
    assert torch.equal(loaded.model(example()), again(example()))
    assert main(["compress", str(small), "--budget", "params=0.8", *words, str(smaller)]) == 0
    report = json.loads((smaller / "report.json").read_text())
    assert report["before"]["params"] == sum(p.numel() for p in again.parameters())
    assert open_model(str(smaller)).model(example()).shape == again(example()).shape


def test_a_directory_that_names_no_source_is_told(tmp_path):
    result = tenfold.compress(tiny_resnet(), example(), "params=0.7", metric="frobenius")
    (tmp_path / "note").write_text("mine")
    tenfold.save(result, tmp_path / "other", extra={"beside.txt": tmp_path / "note"})
    assert (tmp_path / "other" / "beside.txt").read_text() == "mine"
    with pytest.raises(InputError, match=r"must say what its network was made of.*tenfold\.load"):
        open_model(str(tmp_path / "other"))


# ONNX


def test_a_network_in_onnx(tmp_path):
    pytest.importorskip("onnx2torch")
    pytest.importorskip("onnxruntime")
    model = Classifier().eval()
    tenfold.export(model, torch.randn(1, 3, 9, 9), tmp_path / "a.onnx", fused=False)
    loaded = open_model(str(tmp_path / "a.onnx"), example="1x3x9x9")
    assert torch.allclose(loaded.model(loaded.example), model(loaded.example), atol=1e-5)


def test_a_missing_or_broken_file_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(SOURCES["onnx"], "check_packages", lambda: None)
    monkeypatch.setitem(sys.modules, "onnx2torch", types.ModuleType("onnx2torch"))
    pytest.importorskip("onnx")
    with pytest.raises(InputError, match="A source file must exist"):
        open_model(str(tmp_path / "a.onnx"))
    (tmp_path / "a.onnx").write_text("no graph")
    with pytest.raises(InputError, match="must convert through onnx2torch, but found"):
        open_model(str(tmp_path / "a.onnx"))
