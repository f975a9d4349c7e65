"""What the terminal says in brief: within 80 columns, two results side by side, layers at a glance,
and the command that repeats a run."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import replace

import pytest
import torch
from rich.console import Console
from torch import nn
from typer.main import get_command

from tenfold.cli import main
from tenfold.cli._main import app
from tenfold.cli._tables import show_plan, show_survey
from tenfold.cli._terminal import shortened
from tenfold.cli.recipe import make_recipe
from tenfold.cli.write_command import write_command
from tenfold.curves import glance as glance_module
from tenfold.curves.glance import glance
from tenfold.report import report_to_json
from tenfold.store.folder import read_report, write_plan
from tenfold.store.notes import note_latency, note_quality
from tenfold.survey.stage import survey
from tenfold.values import Mean
from tests.networks import example, tiny_resnet
from tests.reports import QUALITY, made_latency, made_names, made_plan, made_report


def shown(show, *values, width=80):
    """The lines that a terminal of this width shows."""
    with open(os.devnull, "w") as nowhere:
        out = Console(width=width, record=True, file=nowhere, markup=False, highlight=False)
        show(out, *values)
    return out.export_text().splitlines()


def test_a_plan_of_long_names_fits_80_columns():
    names = made_names(3)
    lines = shown(show_plan, made_plan(names))
    assert max(map(len, lines)) <= 80
    table = [line for line in lines if line.strip()][: 2 + len(names)]
    assert all(line.startswith("model.enco") and "_projection" in line for line in table[2:])
    assert "cp" not in table[2]
    assert "100k → 20k" in table[2]
    told = " ".join(" ".join(lines).split())
    assert "97.1 ± 0.4 % of the original's decisions" in told
    assert "the largest first: embed (50,000 parameters), norm (64 parameters)" in told
    assert "Asked params=0.192: keep at most 0.192 of the parameters" in told
    wide = shown(show_plan, made_plan(names), width=160)
    assert names[2] in "".join(wide)


@pytest.mark.parametrize(
    ("room", "said"), [(20, "a.long.na…of.a.layer"), (5, "a.…er"), (30, "a.long.name.of.a.layer")]
)
def test_a_name_loses_its_middle(room, said):
    assert shortened("a.long.name.of.a.layer", room) == said
    assert len(said) <= room


def test_layers_at_a_glance_are_the_plain_spectrum():
    model = tiny_resnet()
    layers = survey(model, example())
    losses = glance(model, layers)
    assert set(losses) == {site.name for site in layers.sites}
    weight = model.down.weight.detach().flatten(1)
    energies = torch.linalg.svdvals(weight.double()).square()
    kept, whole = 12 * 9 + 24 + 0, model.down.weight.numel() + 24  # a rank, and all
    for key, share in (("half", 0.5), ("quarter", 0.25)):
        rank = int((share * whole - 24) // kept)
        wanted = float((energies[rank:].sum() / energies.sum()).sqrt())
        assert losses["down"][key] == pytest.approx(wanted, abs=1e-6)
    assert losses["down"]["half"] < losses["down"]["quarter"]


def test_layers_that_take_long_are_left_out_and_said(monkeypatch):
    model = tiny_resnet()
    layers = survey(model, example())
    monkeypatch.setattr(glance_module, "WORK", 1e5)
    losses = glance(model, layers)
    assert 0 < len(losses) < len(layers.sites)
    dense = {site.name: {"params": 1.0, "macs": 2.0} for site in layers.sites}
    lines = shown(show_survey, layers, dense, losses)
    assert max(map(len, lines)) <= 80
    assert f"The largest, {len(layers.sites) - len(losses)} in all" in " ".join(lines)


@pytest.fixture
def two(tmp_path):
    """Two saved results of one network, without their weights."""
    folders = tmp_path / "small", tmp_path / "smaller"
    for k, folder in enumerate(folders):
        folder.mkdir()
        plan = made_plan(made_names(3))
        if k:
            first, *rest = plan.choices
            plan = replace(plan, choices=(replace(first, format="tt", ranks=(3, 4, 5)), *rest))
        write_plan(plan, folder / "plan.json")
        (folder / "report.json").write_text(json.dumps(report_to_json(made_report(plan))))
    return folders


def test_two_results_side_by_side(two, capsys, monkeypatch):
    note_quality(two[0], QUALITY)
    assert main(["compare", *map(str, two), "--json"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out.splitlines()[-1])
    (pair,) = found["layers"]
    assert [line["ranks"] for line in pair] == [[12, 128], [3, 4, 5]]
    assert found["costs"]["params"] == [66_512.16, 66_512.16]
    assert found["quality"][0]["after"][0]["value"] == 92.85
    assert found["quality"][0]["after"][1] is None
    assert "92.85 ± 0.26 %" in told.err
    assert "not measured" in told.err
    assert "97.1 ± 0.4 % agreement" in told.err
    assert main(["compare", str(two[0]), str(two[0])]) == 0
    assert "Every layer became the same" in capsys.readouterr().out
    assert main(["compare", str(two[0]), str(two[0] / "nowhere")]) == 2


def test_what_is_measured_later_is_noted_once(two):
    folder = two[0]
    for value in (90.0, 91.0):
        page = note_quality(folder, replace(QUALITY, after=Mean(value, 500, 1.2)))
    note_quality(folder, replace(QUALITY, alone=Mean(89.0, 500, 1.3)))
    note_quality(folder, QUALITY)
    note_latency(folder, [made_latency().cell])
    report = read_report(folder)
    assert [x.alone for x in report.quality] == [Mean(89.0, 500, 1.3)]
    assert len(report.latency) == 1
    assert "PyTorch eager" in page.read_text()


def test_the_command_of_a_recipe_makes_the_same_recipe():
    asked = {
        "source": "net.py:make",
        "budget": "params=0.2,macs=0.5",
        "example": "1x3x8x8",
        "data": "my data.py:loader",
        "out": "small",
        "formats": "svd,cp",
        "exclude": ["block1.*", "head"],
        "round_to": 8,
        "epochs": 2,
        "class_mode": "none",
        "tuning": "precision=bf16,ema=0.9,losses=relations:0.5,features:2",
    }
    recipe = make_recipe(asked)
    _, name, *words = shlex.split(write_command(recipe))
    context = get_command(app).commands[name].make_context(name, words)
    flags = {key: value for key, value in context.params.items() if key not in ("config", "json")}
    assert make_recipe(flags) == recipe


def test_a_layer_that_no_rank_makes_that_small_has_a_dash():
    model = nn.Sequential(nn.Linear(40, 3))
    losses = glance(model, survey(model, torch.zeros(1, 40)))
    assert losses["0"]["quarter"] is None
    assert losses["0"]["half"] is not None
