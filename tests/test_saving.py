"""Saved whole or not at all; loaded back bit by bit; never a pickle."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import tenfold
from tenfold.errors import InputError, PlanError
from tenfold.network.weights import read_weights, write_weights
from tenfold.report import report_from_json, report_to_json
from tenfold.store.card import write_card
from tenfold.store.folder import read_plan, read_report
from tenfold.store.notes import note_file
from tenfold.store.source_weights import load_weights
from tests.networks import example, tiny_resnet


@pytest.fixture(scope="module")
def result():
    return tenfold.compress(tiny_resnet(), example(), "params=0.4,macs=0.6")


def test_a_saved_model_comes_back_as_it_was(result, tmp_path):
    folder = tenfold.save(result, tmp_path / "deep" / "out")
    for architecture in (tiny_resnet(seed=9), lambda: tiny_resnet(seed=9)):
        model = tenfold.load(folder, architecture)
        assert torch.equal(model(example(3)), result.model(example(3)))
    assert {p.name for p in folder.iterdir()} == {
        "model.safetensors",
        "plan.json",
        "report.json",
        "report.html",
    }
    assert all(p.stat().st_mode & 0o044 for p in folder.iterdir()), "others may read it"


def test_an_existing_directory_is_left_alone(result, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    with pytest.raises(InputError, match="must not exist"):
        tenfold.save(result, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]


def test_a_failure_half_way_leaves_nothing(result, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tenfold.store.folder.draw_page", full)
    with pytest.raises(InputError, match="No space left"):
        tenfold.save(result, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_damage_and_misfits_are_told(result, tmp_path):
    folder = tenfold.save(result, tmp_path / "out")
    with pytest.raises(PlanError):
        tenfold.load(folder, nn.Sequential(nn.Linear(3, 3)))
    with pytest.raises(PlanError):
        tenfold.load(folder, tiny_resnet(width=14))
    (folder / "model.safetensors").write_bytes(b"rubbish")
    with pytest.raises(InputError, match="damaged"):
        tenfold.load(folder, tiny_resnet())
    (folder / "plan.json").write_text("{")
    with pytest.raises(InputError, match="JSON"):
        tenfold.load(folder, tiny_resnet())
    with pytest.raises(InputError, match="must have its files"):
        tenfold.load(tmp_path / "nowhere", tiny_resnet())


def test_the_report_counts_the_built_module(result):
    report = result.report
    assert report.after["params"] == sum(p.numel() for p in result.model.parameters())
    assert report.times_smaller("params") >= 2.5
    assert {x.cost for x in report.limits} == {"params", "macs"}
    assert all(x.reached <= x.limit for x in report.limits)
    changed = sum(x.params[0] - x.params[1] for x in report.lines)
    assert changed == report.before["params"] - report.after["params"]


def test_the_report_is_json_and_one_page_of_its_own(result, tmp_path):
    folder = tenfold.save(result, tmp_path / "out")
    data = json.loads((folder / "report.json").read_text())
    assert data["after"]["params"] == result.report.after["params"]
    page = (folder / "report.html").read_text()
    for line in result.report.lines:
        assert line.name in page
    assert page.count('class="bar"') == len(result.report.lines)
    assert page.count('class="plot"') == 2
    assert 'src="' not in page
    assert "<link" not in page


INT8 = {
    "path": "a.onnx",
    "to": "onnx",
    "variant": "extremes",
    "error": 0.01,
    "calibration": "given",
    "files": [
        {
            "name": "int8",
            "bytes": 4321,
            "latency": {1: {"median": 0.5, "busy": 0.5}},
            "accuracy": None,
        },
    ],
}


def test_a_file_made_later_is_told_of_once_in_the_report(result, tmp_path):
    folder = tenfold.save(result, tmp_path / "out")
    for size in (1234, 4321):
        note_file(folder, {**INT8, "files": [{**INT8["files"][0], "bytes": size}]})
    page = (folder / "report.html").read_text()
    assert "4,321" in page
    assert "1,234" not in page
    told = report_from_json(json.loads((folder / "report.json").read_text()))
    assert [x["path"] for x in told.files] == ["a.onnx"]
    assert replace(told, files=()) == report_from_json(
        json.loads(json.dumps(report_to_json(result.report)))
    )
    assert told.lines == result.report.lines
    assert len(list(folder.iterdir())) == 4


def test_a_damaged_report_is_told_and_kept(result, tmp_path):
    folder = tenfold.save(result, tmp_path / "out")
    for text, words in (("{", "JSON"), ("{}", "tenfold.save"), ("[1]", "tenfold.save")):
        (folder / "report.json").write_text(text)
        with pytest.raises(InputError, match=words):
            note_file(folder, INT8)
        assert (folder / "report.json").read_text() == text


def test_a_report_says_its_version(result, tmp_path):
    folder = tenfold.save(result, tmp_path / "out")
    report = json.loads((folder / "report.json").read_text())
    assert report["tenfold_report"] == 2
    (folder / "report.json").write_text(json.dumps({**report, "tenfold_report": 3}))
    with pytest.raises(InputError, match=r"tenfold_report: 2 or less, but found 3; install"):
        read_report(folder)


def test_points_of_every_curve_come_back_with_the_plan_and_fill_a_line_each(result, tmp_path):
    folder = tenfold.save(result, tmp_path / "out")
    plan = read_plan(folder / "plan.json")
    assert plan.curves == result.plan.curves
    assert {curve.site for curve in plan.curves} == {line.name for line in result.report.lines}
    for curve in plan.curves:
        assert 1 <= len(curve.params) == len(curve.errors) == len(curve.damages) <= 12
        assert sorted(curve.params) == list(curve.params)
        assert sorted(curve.errors, reverse=True) == list(curve.errors)
    first = ", ".join(map(str, plan.curves[0].params))
    assert f'"params": [{first}]' in (folder / "plan.json").read_text()
    (chosen,) = [x for x in plan.choices if x.site == "down"]
    assert any(x.format == chosen.format for x in plan.curves if x.site == "down")


def test_a_plan_that_disagrees_with_the_module_is_an_error(result):
    from tenfold.report import make_report

    with pytest.raises(PlanError, match="must have the predicted"):
        make_report(tiny_resnet(), tiny_resnet(), example(), result.plan)


class Viewing(nn.Module):
    """With a buffer that is part of another tensor, an expanded one, and a state of its own."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(32, 48), nn.ReLU(), nn.Linear(48, 10))
        self.register_buffer("part", torch.arange(320.0).view(10, 32)[2:4])
        self.register_buffer("wide", torch.arange(32.0).expand(8, -1))

    def get_extra_state(self):
        return {"version": 3}

    def set_extra_state(self, state):
        self.version = state["version"]

    def forward(self, x):
        return self.net(x + self.part[0] + self.wide[0])


def test_buffers_that_are_views_and_states_of_other_kinds_are_no_obstacle(tmp_path):
    shown = torch.randn(2, 32)
    result = tenfold.compress(Viewing(), shown, "params=0.5")
    model = tenfold.load(tenfold.save(result, tmp_path / "out"), Viewing())
    assert torch.equal(model(shown), result.model(shown))


def test_tensors_under_two_names_are_written_once_and_found_under_both(tmp_path):
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    model[2].weight = model[0].weight
    write_weights(model, tmp_path / "tied.safetensors")
    assert len(load_file(tmp_path / "tied.safetensors")) == 3
    other = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    with pytest.raises(ValueError, match=r"no (0|2)\.weight"):
        read_weights(other, tmp_path / "tied.safetensors")
    other[2].weight = other[0].weight
    read_weights(other, tmp_path / "tied.safetensors")
    x = torch.randn(3, 8)
    assert torch.equal(other(x), model(x))


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"weight": torch.zeros(3, 4)}, "weight of shape (3, 4) instead of (2, 4)"),
        ({"weight": torch.zeros(2, 4, dtype=torch.int8)}, "weight as torch.int8"),
        ({"weight": torch.zeros(2, 4, dtype=torch.complex64)}, "weight as torch.complex64"),
        ({"more": torch.zeros(1)}, "an unknown more"),
    ],
)
def test_weights_of_another_network_change_nothing(changed, found, tmp_path):
    layer = nn.Linear(4, 2)
    before = layer.weight.clone()
    save_file({**nn.Linear(4, 2).state_dict(), **changed}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=re.escape(found)):
        load_weights(layer, tmp_path / "w.safetensors")
    assert torch.equal(layer.weight, before)


def test_a_plan_for_another_kind_of_layer_is_a_plan_error(result):
    other = nn.Sequential(*[nn.ReLU() for _ in range(3)])
    named = replace(result.plan.choices[0], site="1", format="svd", ranks=(1,))
    with pytest.raises(PlanError, match="1, a ReLU"):
        tenfold.apply(replace(result.plan, choices=(named,)), other)


@pytest.mark.parametrize("origin", ["synthetic", "tokens", "calibration", "noise", "frobenius"])
def test_a_card_says_in_words_what_was_asked_and_sensed(result, origin):
    (first, *_), plan = result.report.limits, replace(result.plan, origin=origin)
    limits = (replace(first, asked=str(1 / 5.2)),)
    card = write_card(replace(result.report, limits=limits), plan, "small")
    assert "params=0.192, at most" in card
    assert "sensed on" in card or "measured on" in card
