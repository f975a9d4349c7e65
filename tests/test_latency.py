"""Latency as a budget: never slower than dense by the table, settled on the whole network."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache, partial
from itertools import pairwise
from zlib import crc32

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import tenfold
from tenfold.cli import main
from tenfold.costs import Target
from tenfold.curves.trace import plain_damage, trace_curves
from tenfold.errors import BudgetError, InputError
from tenfold.formats import FORMATS
from tenfold.latency import Ruler, read_table, settle, start_ruler
from tenfold.latency.interpolate import choose_axes, complete_axes, interpolate
from tenfold.latency.settle import ROUNDS
from tenfold.latency.unit import Unit, units_of
from tenfold.runtimes import ENGINES
from tenfold.search import search
from tenfold.search.budget import measured_target, parse_budget, resolve_budget
from tenfold.settings import PlanSettings
from tenfold.survey.stage import survey
from tests.networks import example, tiny_resnet

ONNX = pytest.mark.skipif(bool(ENGINES["onnxruntime"].unavailable()), reason="no onnxruntime")
SOURCE = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4),
    ), torch.zeros(1, 3, 8, 8)

def other():
    return make()[0], torch.zeros(1, 3, 9, 9)
"""


def test_a_table_without_a_latency_is_a_mistake(tmp_path):
    with pytest.raises(InputError, match="needs a latency in the budget, but found none"):
        tenfold.plan(tiny_resnet(), example(), "params=0.5", latency_table=tmp_path / "t.json")


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(SOURCE)
    return path


@cache
def surveyed():
    """A small network, its survey, curves and damages; the tests bring the times."""
    model = tiny_resnet(width=16)
    found = survey(model, example())
    curves = trace_curves(model, found, round_to=2)
    return model, found, curves, [plain_damage(curve) for curve in curves]


def made_up(seed, level):
    """Times drawn anew for every unit; ``level`` is how slow stand-ins are beside dense ones."""
    asked = []

    def measure(units):
        asked.extend(units)
        for unit in units:
            generator = torch.Generator().manual_seed(crc32(f"{seed} {unit.key}".encode()))
            share = level * float(torch.rand((), generator=generator)) + 0.05
            yield {unit.key: share * dense_time(unit)}

    return measure, asked


def dense_time(unit):
    return 1e-3 * unit.site.in_channels * unit.site.out_channels


def ruler_of(found, measure):
    dense = {u.key: dense_time(u) for site in found.sites for u in units_of(site)}
    whole = 1.3 * sum(dense_of(found, site) for site in found.sites)
    return Ruler("latency", whole, dense, measure)


def dense_of(found, site):
    return sum(dense_time(unit) for unit in units_of(site))


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 1000),
    st.floats(0.3, 3.0),
    st.floats(0.3, 1.0),
    st.sampled_from(["energy", "uniform"]),
)
def test_no_layer_is_slower_than_dense_by_the_table(seed, level, share, method):
    _, found, curves, damages = surveyed()
    ruler = ruler_of(found, made_up(seed, level)[0])
    extended = ruler.extend(found)
    limits = resolve_budget(f"latency={share}", extended.totals)
    find = partial(search, settings=PlanSettings(method=method))
    try:
        plan = settle(ruler, extended, curves, damages, limits, find, None)
    except BudgetError:  # these times leave no plan within the limit, and that is said
        return
    sites = {site.name: site for site in found.sites}
    for choice in plan.choices:
        assert ruler.knows(choice, sites[choice.site])  # measured itself, not interpolated
        assert choice.costs["latency"] <= choice.before["latency"]
        if choice.format != "dense":
            assert choice.costs["latency"] < choice.before["latency"]
    assert plan.predicted["latency"] <= limits[0].value
    assert plan.budget == limits


def settled(beyond):
    """Settle at half the time when networks take ``beyond`` times what their layers do."""
    _, found, curves, damages = surveyed()
    ruler = ruler_of(found, made_up(1, 0.6)[0])
    extended = ruler.extend(found)
    limits = resolve_budget("latency=0.7", extended.totals)

    def clock(plan):
        return beyond * (extended.fixed["latency"] + sum(c.costs["latency"] for c in plan.choices))

    plan = settle(
        ruler,
        extended,
        curves,
        damages,
        limits,
        partial(search, settings=PlanSettings(method="energy")),
        clock,
    )
    return plan, limits[0].value


@pytest.mark.parametrize("beyond", [0.8, 1.0, 1.2])
def test_what_the_layers_do_not_tell_is_learnt_from_the_whole(beyond):
    plan, limit = settled(beyond)
    noted = plan.measured["latency"]
    assert noted["reached_ms"] <= limit
    assert noted["reached_ms"] == pytest.approx(plan.predicted["latency"], rel=0.1)


def test_a_limit_that_stays_out_of_reach_is_reported_not_raised():
    plan, limit = settled(3.0)
    noted = plan.measured["latency"]
    assert noted["reached_ms"] > limit
    assert 1 <= len(noted["rounds"]) <= ROUNDS


def test_layers_that_take_longer_alone_are_scaled_down_to_the_network():
    _, found, curves, _ = surveyed()
    dense = {u.key: dense_time(u) for site in found.sites for u in units_of(site)}
    whole = 0.5 * sum(map(partial(dense_of, found), found.sites))
    ruler = Ruler("latency", whole, dense, made_up(1, 0.5)[0])
    extended = ruler.extend(found)
    assert extended.fixed["latency"] == 0
    assert sum(map(ruler.dense, found.sites)) == pytest.approx(ruler.whole)
    priced, _ = ruler.price(curves)
    for curve in priced:
        assert bool((curve.costs["latency"] <= ruler.dense(curve.site)).all())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=3), st.integers(0, 100))
def test_interpolation_is_exact_where_time_is_linear_in_each_rank(limits, seed):
    ranks = torch.cartesian_prod(*[torch.arange(1, limit + 1)[:20] for limit in limits])
    ranks = ranks.reshape(-1, len(limits))
    axes = choose_axes(ranks)
    a = torch.rand(len(limits) + 1, generator=torch.Generator().manual_seed(seed)).double()

    def time(rows):
        return a[0] + (a[1:] * rows.double()).sum(1) + rows.double().prod(1)

    nodes = torch.cartesian_prod(*map(torch.tensor, axes)).reshape(-1, len(limits))
    values = time(nodes).reshape([len(axis) for axis in axes])
    assert torch.allclose(interpolate(axes, values, ranks), time(ranks))
    assert bool(interpolate(axes, values, ranks.max(0, keepdim=True).values + 1).isinf())


def test_axes_run_from_the_smallest_to_the_largest_row():
    (axis,) = choose_axes(torch.arange(8, 400, 8).reshape(-1, 1))
    assert (axis[0], axis[-1]) == (8, 392)
    assert all(b > a for a, b in pairwise(axis))
    assert complete_axes([(1, 2), (1, 4), (3, 2), (3, 4)]) == ((1, 3), (2, 4))
    assert complete_axes([(1, 2), (3, 4)]) == ()


def test_equal_layers_share_units_and_units_have_the_layers_shapes():
    _, found, _, _ = surveyed()
    by_name = {site.name: site for site in found.sites}
    assert units_of(by_name["block.0"]) == units_of(by_name["block.3"])
    for site in found.sites:
        for name in FORMATS:
            if FORMATS[name].refuses(site) is None:
                ranks = tuple(max(1, limit // 2) for limit in FORMATS[name].rank_limits(site))
                (unit,) = units_of(site, name, ranks)
                x = unit.example()
                assert unit.module()(x).shape == Unit(unit.site).module()(x).shape


def test_what_was_measured_is_not_measured_again(tmp_path, monkeypatch):
    monkeypatch.setenv("TENFOLD_CACHE", str(tmp_path))
    model, found, curves, _ = surveyed()
    counted = []
    few = [c for c in curves if c.format in ("dense", "svd")][:4]

    def count(stage, done, total):
        counted.append(done)

    start_ruler(model, example(), found, Target("latency", "eager", 1, True), progress=count).price(
        few
    )
    first = len(counted)
    start_ruler(model, example(), found, Target("latency", "eager", 1, True), progress=count).price(
        few
    )
    assert len(counted) == first > 0
    (file,) = tmp_path.glob("latency-*.json")
    file.write_text("damaged")
    start_ruler(model, example(), found, Target("latency", "eager", 1, True)).price(few)
    assert json.loads(file.read_text())["shares"]


def test_an_engine_that_is_not_installed_is_told(net, monkeypatch, capsys):
    monkeypatch.setattr(ENGINES["onnxruntime"], "unavailable", lambda: "It needs that; get it.")
    assert main(["plan", f"{net}:make", "--budget", "latency=0.5@onnxruntime"]) == 6
    assert "It needs that; get it." in capsys.readouterr().err


def test_a_latency_budget_end_to_end(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1)
    )
    x = torch.randn(1, 32, 14, 14)
    result = tenfold.compress(model, x, "latency=0.95,params=0.9", formats=["svd"])
    report = result.report
    latency = next(limit for limit in report.limits if limit.cost == "latency")
    assert latency.reached == report.after["latency"]
    assert "interleaved" in report.measured["latency"]
    assert report.measured["limit"].startswith(("kept", "missed by"))
    assert all(rank % 8 == 0 for choice in result.plan.choices for rank in choice.ranks)
    assert report.after["params"] <= 0.9 * report.before["params"]
    again = tenfold.plan_from_json(json.loads(json.dumps(tenfold.plan_to_json(result.plan))))
    assert tenfold.apply(again, model)(x).shape == result.model(x).shape
    tenfold.save(result, tmp_path / "small")
    assert "ms before" in (tmp_path / "small" / "report.html").read_text()


@ONNX
def test_a_table_from_another_device(net, tmp_path, capsys):
    folder, out = tmp_path / "layers", tmp_path / "table.json"
    arguments = ["table", f"{net}:make", "--out", str(folder), "--formats", "svd,cp"]
    assert main(arguments) == 0
    assert main(arguments) == 2  # it exists
    script = [sys.executable, str(folder / "measure_table.py"), str(folder)]
    script += ["--out", str(out), "--runs", "3", "--seconds", "0.01"]
    subprocess.run(script, check=True, capture_output=True, cwd=tmp_path)
    units = json.loads((folder / "units.json").read_text())["units"]
    table = read_table(out)
    assert set(table.times) == set(units)
    written = json.loads(out.read_text())
    for key in written["times"]:  # every stand-in twice as fast as the dense layer
        written["times"][key] = 1.0 if key.endswith("as dense") else 0.5
    written["whole"] = 4.0
    out.write_text(json.dumps(written))
    capsys.readouterr()
    plan = ["plan", f"{net}:make", "--formats", "svd,cp", "--latency-table", str(out), "--json"]
    assert main([*plan, "--budget", "latency=0.95@onnxruntime"]) == 0
    found = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert found["before"]["latency"] == 4
    assert found["predicted"]["latency"] == 3.5
    for arguments, told in [
        ([*plan, "--budget", "latency=0.9"], "engine eager"),
        (["plan", f"{net}:other", *plan[2:], "--budget", "latency=0.9@onnxruntime"], "every layer"),
    ]:
        assert main(arguments) == 2
        assert told in capsys.readouterr().err


GOOD = {"tenfold_latency": 1, "engine": "onnxruntime", "threads": 1, "whole": 1.0, "times": {}}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        *(
            json.dumps({**GOOD, **bad})
            for bad in (
                {"times": {"a": -1}},
                {"times": {"a": "fast"}},
                {"times": None},
                {"whole": 0},
                {"threads": None},
                {"whole": float("nan")},
            )
        ),
    ],
)
def test_a_bad_table_is_told(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(InputError, match="latency table must"):
        read_table(tmp_path / "t.json")
    with pytest.raises(InputError, match="JSON file"):
        read_table(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("text", "target", "limit"),
    [
        ("latency=0.5", Target("latency", "eager", 1, True), 5.0),
        ("latency=30%@onnxruntime", Target("latency", "onnxruntime", 1, True), 3.0),
        ("params=0.5,latency=3ms@onnxruntime:2", Target("latency", "onnxruntime", 2, False), 3.0),
        ("latency=250us", Target("latency", "eager", 1, False), 0.25),
        ("latency=2s@eager-nchw", Target("latency", "eager-nchw", 1, False), 2000.0),
    ],
)
def test_a_latency_is_a_share_or_a_time_on_an_engine(text, target, limit):
    asked = parse_budget(text)
    assert measured_target(asked) == target
    assert resolve_budget(text, {"latency": 10.0, "params": 100})[-1].value == pytest.approx(limit)
    assert measured_target({"params": "0.5"}) is None


@pytest.mark.parametrize(
    "text",
    [
        "latency=3",
        "latency=300",
        "latency=0",
        "latency=3k",
        "latency=0ms",
        "latency=fast",
        "latency=0.5@abacus",
        "latency=0.5@onnxruntime:no",
        "latency=0.5@onnxruntime:0",
        "params=3ms",
    ],
)
def test_a_bad_latency_is_one_sentence(text):
    with pytest.raises(BudgetError, match="but found"):
        parse_budget(text) and resolve_budget(text, {"params": 100.0})
