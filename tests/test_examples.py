"""Every example runs, and what it shows comes true."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch

EXAMPLES = Path(__file__).parents[1] / "examples"
NEEDS = {
    "trainer_distillation": ("transformers", "accelerate"),
    "lightning_callback": ("lightning",),
    "timm_training": ("timm", "torchvision"),
}
NOTEBOOK = EXAMPLES / "from_network_to_phone.ipynb"


def load(name):
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cells():
    """The code of the notebook, a text a cell."""
    told = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in told if cell["cell_type"] == "code"]


def test_every_example_is_tried():
    assert {file.stem for file in EXAMPLES.glob("*.py")} == set(NEEDS)
    assert list(EXAMPLES.glob("*.ipynb")) == [NOTEBOOK]


@pytest.mark.parametrize("name", NEEDS)
def test_a_recipe_comes_closer_to_the_teacher(name, tmp_path):
    for package in NEEDS[name]:
        pytest.importorskip(package, reason=f"{name} needs {package}")
    before, after = load(name).main(tmp_path / "small")
    assert 0 < after < 0.8 * before
    assert (tmp_path / "small" / "report.html").is_file()


def test_the_notebook_leads_to_the_phone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    for cell in cells():
        exec(cell, namespace)
    small, network = namespace["small"], namespace["network"]
    count = [sum(p.numel() for p in model.parameters()) for model in (small, network)]
    assert count[0] <= 0.4 * count[1]
    with torch.no_grad():
        assert namespace["accuracy"](small) > namespace["accuracy"](network) - 5
    assert {file.path.name for file in namespace["files"].values()} <= {
        path.name for path in tmp_path.iterdir()
    }


def test_the_notebook_holds_no_outputs():
    told = json.loads(NOTEBOOK.read_text("utf-8"))
    assert not any(cell.get("outputs") for cell in told["cells"])
