"""``tenfold export`` as a person uses it."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from tenfold.cli import main
from tenfold.runtimes import FILES
from tests.test_cli import SOURCE

NETWORK = (
    SOURCE
    + """
class Reads(nn.Sequential):
    def forward(self, x):
        return super().forward(x) if x.sum() > -1 else x

def reads():
    return Reads(*make()), torch.zeros(1, 3, 8, 8)
"""
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two compressed networks, one of which has no graph."""
    folder = tmp_path_factory.mktemp("saved")
    (folder / "net.py").write_text(NETWORK)
    for name in ("pair", "reads"):
        source, out = f"{folder}/net.py:{name}", str(folder / name)
        assert main(["compress", source, "--budget", "params=0.5", "--out", out]) == 0
    return folder


def test_a_saved_model_becomes_a_file(saved, tmp_path, capsys):
    out = tmp_path / "net.pt2"
    words = ["export", str(saved / "pair"), "--to", "torch-export", "--out", str(out), "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert told["path"] == str(out)
    assert told["bytes"] == out.stat().st_size
    assert told["batches"] == [1, 3]
    assert torch.export.load(out).module()(torch.zeros(5, 3, 8, 8)).shape == (5, 4)


def test_weights_keep_their_names_unless_fused(saved, tmp_path):
    out = str(tmp_path / "net.safetensors")
    assert main(["export", str(saved / "reads"), "--to", "safetensors", "--out", out]) == 0
    again = load_file(saved / "reads" / "model.safetensors")
    assert load_file(out).keys() == again.keys()


BAD = {
    "no directory": (2, ["{dir}/none", "--to", "torch-export", "--out", "{dir}/a.pt2"]),
    "unknown kind": (2, ["{saved}/pair", "--to", "paper", "--out", "{dir}/a.pt2"]),
    "other suffix": (2, ["{saved}/pair", "--to", "torch-export", "--out", "{dir}/a.onnx"]),
    "taken": (2, ["{saved}/pair", "--to", "torch-export", "--out", "{dir}/taken.pt2"]),
    "unwritable": (2, ["{saved}/pair", "--to", "torch-export", "--out", "{dir}/taken.pt2/a.pt2"]),
    "data without int8": (
        2,
        ["{saved}/pair", "--to", "onnx", "--data", "demo", "--out", "{dir}/a.onnx"],
    ),
    "int8 unfused": (
        2,
        ["{saved}/pair", "--to", "onnx", "--int8", "--no-fuse", "--out", "{dir}/a.onnx"],
    ),
    "int8 of another kind": (
        2,
        ["{saved}/pair", "--to", "openvino", "--int8", "--out", "{dir}/a.xml"],
    ),
    "no graph": (2, ["{saved}/reads", "--to", "torch-export", "--out", "{dir}/a.pt2"]),
}


@pytest.mark.parametrize("label", BAD)
def test_bad_input_is_one_sentence_and_leaves_nothing(label, saved, tmp_path, capsys):
    (tmp_path / "taken.pt2").write_text("mine")
    code, words = BAD[label]
    assert main(["export", *(w.format(saved=saved, dir=tmp_path) for w in words)]) == code
    told = capsys.readouterr().err.strip()
    assert told.startswith("error:")
    assert len(told.splitlines()) == 1, told
    assert "but found" in told
    assert told.endswith(".")
    assert [file.name for file in tmp_path.iterdir()] == ["taken.pt2"]
    assert (tmp_path / "taken.pt2").read_text() == "mine"


@pytest.mark.parametrize("name", [x for x in FILES if FILES[x].packages])
def test_a_missing_package_is_told(name, saved, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    out = str(tmp_path / f"a{FILES[name].suffix}")
    assert main(["export", str(saved / "pair"), "--to", name, "--out", out]) == 6
    assert f"pip install 'tenfold[{FILES[name].extra}]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_help_shows_examples(capsys):
    assert main(["export", "-h"]) == 0
    assert "tenfold export small --to onnx" in capsys.readouterr().out


def test_int8_stands_beside_the_float_files(saved, tmp_path, capsys):
    if FILES["onnx"].unavailable():
        pytest.skip(FILES["onnx"].unavailable())
    out, data = str(tmp_path / "a.onnx"), f"{saved}/net.py:loader"
    words = ["export", str(saved / "pair"), "--to", "onnx", "--int8", "--data", data]
    assert main([*words, "--out", out, "--json"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out.strip().splitlines()[-1])
    assert [x["name"] for x in found["files"]] == ["original", "compressed", "int8"]
    assert all(0 <= x["accuracy"] <= 100 for x in found["files"])
    assert "batch 32" in told.err
    assert {path.name for path in tmp_path.iterdir()} == {"a.onnx", "a.onnx.json"}
    page = (saved / "pair" / "report.html").read_text()
    assert "<h2>a.onnx</h2>" in page
    assert f"{found['files'][2]['accuracy']:.2f} %" in page
