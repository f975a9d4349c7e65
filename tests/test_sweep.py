"""Many budgets at once: one pass of sensing and curves, a front that never worsens, its knee, and
files from which a sweep goes on."""

from __future__ import annotations

import json
import shlex
from unittest import mock

import pytest
import torch
from torch import nn

import tenfold
from tenfold.cli import main
from tenfold.errors import BudgetError, InputError
from tenfold.pipeline import points as stage
from tenfold.report.draw_front import draw_front
from tenfold.report.front import Sweep, SweepPoint, never_worse
from tenfold.search.budgets import read_budgets
from tenfold.store import plan_to_json
from tenfold.store.folder import read_plan
from tenfold.values import Forecast, Limit, Plan

QUICK = {"formats": ("svd",), "method": "uniform"}
SOURCE = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 4)), torch.zeros(1, 24)

def batches():
    torch.manual_seed(1)
    return [(torch.randn(8, 24), torch.randint(0, 4, (8,))) for _ in range(4)]
"""


def given(name):
    namespace = {}
    exec(SOURCE, namespace)
    return namespace[name]()


def swept(budgets="0.9,0.7,0.5", **asked):
    model, shown = given("make")
    calibration = [x for x, _ in given("batches")]
    return tenfold.sweep(model, shown, budgets, calibration=calibration, **{**QUICK, **asked})


def told(plan):
    return {name: value for name, value in plan_to_json(plan).items() if name != "seconds"}


def point(amount, worth, damage=0.0, quality=None):
    plan = Plan(
        choices=(),
        refusals=(),
        budget=(Limit("params", amount, 100 * float(amount)),),
        before={"params": 100.0, "macs": 100.0},
        predicted={"params": 100 * float(amount), "macs": 50.0},
        damage=damage,
        forecast=Forecast(worth, 0.0, 8),
    )
    return SweepPoint(amount, plan, damage, quality)


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("0.9..0.5", "0.9 0.8 0.7 0.6 0.5"),
        ("0.9..0.1:3", "0.9 0.5 0.1"),
        ("0.2..0.4", "0.2 0.3 0.4"),
        ("0.5, 54k,0.5", "0.5 54k"),
        ([0.5, "0.25"], "0.5 0.25"),
        ("0.3..0.3", "0.3"),
    ],
)
def test_budgets_as_they_are_written(text, amounts):
    assert read_budgets(text, "params") == tuple(amounts.split())


@pytest.mark.parametrize("text", ["", "0.5,,0.4", "0.9..0.1:1", "0.9..x", "2..3", "0.5..0.45", []])
def test_budgets_that_are_none(text):
    with pytest.raises(BudgetError, match=r"0\.9\.\.0\.1|share"):
        read_budgets(text, "params")


def test_all_budgets_are_searched_on_what_is_learned_once():
    with mock.patch.object(stage, "learn", wraps=stage.learn) as learn:
        found = swept()
    assert learn.call_count == 1
    assert [each.budget for each in found.points] == ["params=0.9", "params=0.7", "params=0.5"]
    damages = [each.damage for each in found.points]
    assert damages == sorted(damages)
    assert damages[0] < damages[-1]
    model, shown = given("make")
    calibration = [x for x, _ in given("batches")]
    alone = tenfold.plan(model, shown, "params=0.5", calibration=calibration, **QUICK)
    assert told(found.points[-1].plan) == told(alone)
    assert 0 <= found.points[0].agreement <= 1


def test_a_sweep_goes_on_from_its_folder(tmp_path):
    with mock.patch.object(stage, "settle_on", wraps=stage.settle_on) as settle:
        first = swept("0.9,0.7", folder=tmp_path)
        assert settle.call_count == 2
        assert swept("0.9,0.7", folder=tmp_path) == first
        assert settle.call_count == 2
        more = swept("0.9,0.7,0.5", folder=tmp_path)
        assert settle.call_count == 3
    assert more.points[:2] == first.points
    told_of = json.loads((tmp_path / "sweep.json").read_text())
    assert [each["plan"] for each in told_of["points"]][2] == "plan_0.5.json"
    assert read_plan(tmp_path / "plan_0.5.json") == more.points[2].plan
    with pytest.raises(InputError, match="must keep its seed"):
        swept("0.9", folder=tmp_path, seed=3)


def test_an_interrupted_sweep_keeps_its_points(tmp_path):
    def stop(kind, done, total):
        if (kind, done) == ("budgets", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(folder=tmp_path, progress=stop)
    assert len(json.loads((tmp_path / "sweep.json").read_text())["points"]) == 2
    (tmp_path / "sweep.json").write_text("{}")
    with pytest.raises(InputError, match="name a new folder"):
        swept(folder=tmp_path)


def test_budgets_out_of_reach_are_named_and_the_others_made():
    found = swept("0.6,0.001,0.002")
    assert [each.amount for each in found.points] == ["0.6"]
    assert [each.amount for each in found.unmet] == ["0.001", "0.002"]
    assert "ask for at least" in found.unmet[0].reason
    with pytest.raises(BudgetError, match="ask for at least"):
        swept("0.001,0.002")


def test_networks_are_measured_where_there_are_labels():
    found = swept("0.9,0.6", data=given("batches"))
    model, _ = given("make")
    right = [(model(x).argmax(1) == y).float().mean() for x, y in given("batches")]
    assert found.original == pytest.approx(100 * float(torch.stack(right).mean()), abs=1e-3)
    assert all(0 <= each.quality <= 100 for each in found.points)
    own = swept("0.9", data=given("batches"), quality=lambda output, batch: len(output) / 2)
    assert own.points[0].quality == 4
    with pytest.raises(InputError, match="quality of your own"):
        swept("0.9", data=given("batches"), task="regression")


def test_the_knee_lies_farthest_above_the_chord():
    worths = {"0.9": 1.0, "0.7": 0.99, "0.4": 0.97, "0.3": 0.8, "0.2": 0.4}
    points = tuple(point(amount, worth) for amount, worth in worths.items())
    assert Sweep("params", points).knee == points[2]
    assert Sweep("params", points[:2]).knee is None
    sagging = (point("0.9", 1.0), point("0.5", 0.3), point("0.1", 0.2))
    assert Sweep("params", sagging).knee is None
    measured = tuple(
        point(amount, 0.5, quality=q) for amount, q in (("0.9", 9.0), ("0.8", 8.9), ("0.2", 1.0))
    )
    assert Sweep("params", measured).knee == measured[1]


def test_more_budget_never_predicts_more_damage():
    points = [point("0.5", 0.9, damage=1.0), point("0.9", 0.9, damage=3.0), point("0.7", 0.9, 2.0)]
    front = never_worse(points)
    assert [each.amount for each in front] == ["0.9", "0.7", "0.5"]
    assert [each.damage for each in front] == [1.0, 1.0, 1.0]
    assert front[0].plan.budget[0].asked == "0.9"
    assert front[0].plan.predicted["params"] == 50


def test_the_page_stands_alone():
    page = draw_front(Sweep("params", tuple(point(x, float(x)) for x in ("0.9", "0.5", "0.1"))))
    assert page.count("<circle") == 3
    assert "prefers-color-scheme: dark" in page
    assert "http" not in page


def test_the_command_shows_a_table_and_how_to_build_a_point(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(SOURCE)
    words = ["sweep", "net.py:make", "--budgets", "0.8,0.5,0.001", "--data", "net.py:batches"]
    words += ["--formats", "svd", "--method", "uniform"]
    assert main([*words, "--out", "front"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "params=0.001 cannot be met; the first that can is params=0.5" in " ".join(out.split())
    build = shlex.split(out.strip().splitlines()[-1])
    assert build[:2] == ["tenfold", "apply"]
    assert main(build[1:]) == 0
    plan = read_plan(tmp_path / "small" / "plan.json")
    assert plan == read_plan(tmp_path / build[2])
    model, shown = given("make")
    small = tenfold.load(tmp_path / "small", model)
    assert isinstance(small, nn.Module)
    assert small(shown).shape == (1, 4)
    assert main(words) == 2


def test_the_command_shows_and_clears_the_cache(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TENFOLD_CACHE", str(tmp_path))
    (tmp_path / f"curves-{'0' * 32}.safetensors").write_bytes(b"x" * 5_000_000)
    assert main(["cache", "--json"]) == 0
    told_of = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told_of["kept"] == {"curves": {"files": 1, "bytes": 5_000_000}}
    assert main(["cache", "--clear"]) == 0
    assert "Deleted 1 files, 0.005 GB" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("TENFOLD_CACHE", "")
    assert main(["cache"]) == 0
    assert "off" in capsys.readouterr().out
