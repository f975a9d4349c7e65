"""What holds for every cost, registered or not: two toys, energy in mJ, live in this file alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import tenfold
from tenfold.cli import main
from tenfold.costs import COSTS, MEASURED, CountedCost, MeasuredCost, Target, cost_named
from tenfold.errors import BudgetError, InputError, PlanError
from tenfold.formats import FORMATS
from tenfold.latency.unit import Unit
from tenfold.report import make_report
from tenfold.search.budget import measured_target, parse_budget, resolve_budget, usual_step
from tenfold.survey.stage import survey

JOULES = {"uJ": 1e-3, "mJ": 1.0, "J": 1e3, "MJ": 1e9}
PER_MAC, PER_PARAMETER = 1e-6, 1e-6  # in mJ
SOURCE = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4),
    ), torch.zeros(1, 8, 8, 8)
"""


class CountedEnergy(CountedCost):
    """A price in mJ for each multiply-accumulate and each parameter."""

    name = "energy"
    noun = "energy"
    unit = "mJ"
    units: ClassVar = JOULES
    amount = "an energy"
    sample = "3mJ"

    def of(self, op):
        return PER_MAC * COSTS["macs"].of(op) + PER_PARAMETER * COSTS["params"].of(op)

    def measure(self, model, example):
        macs, params = (COSTS[name].measure(model, example) for name in ("macs", "params"))
        return PER_MAC * macs + PER_PARAMETER * params


class MeteredEnergy(MeasuredCost):
    """A meter that always says the same of a run: a price for each operation that it sees."""

    name = "energy"
    noun = "energy"
    unit = "mJ"
    units: ClassVar = JOULES
    amount = "an energy"
    sample = "3mJ@eager"

    def meter(self, run):
        with FlopCounterMode(display=False) as counter:
            run()
        energy = PER_MAC * counter.get_total_flops() / 2
        return energy, energy

    def readings(self, runs, times, warmup, seconds):
        return super().readings(runs, 1, 0, seconds)  # the second run would say the same

    def step(self, site):
        return 4


TOYS = (CountedEnergy(), MeteredEnergy())
EVERY = [
    *(pytest.param(cost_named(name), id=name) for name in (*COSTS, *MEASURED)),
    pytest.param(TOYS[0], id="counted toy"),
    pytest.param(TOYS[1], id="measured toy"),
]


@pytest.fixture
def counted(monkeypatch):
    """The counted toy, registered for one test."""
    assert "energy" not in COSTS  # it has read its files, so that the toy is all that is taken back
    monkeypatch.setitem(COSTS._items, "energy", TOYS[0])
    return TOYS[0]


@pytest.fixture
def metered(monkeypatch, tmp_path):
    """The measured toy, registered for one test, with a cache of its own."""
    assert "energy" not in MEASURED
    monkeypatch.setitem(MEASURED._items, "energy", TOYS[1])
    monkeypatch.setenv("TENFOLD_CACHE", str(tmp_path / "cache"))
    return TOYS[1]


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(SOURCE)
    return path


def network():
    namespace = {}
    exec(SOURCE, namespace)
    model, x = namespace["make"]()
    return model.eval(), x


def test_a_name_is_taken_once():
    names = [*COSTS, *MEASURED]
    assert len(set(names)) == len(names)
    for name in names:
        assert cost_named(name).name == name
    with pytest.raises(InputError, match="known name, but found 'energy'"):
        cost_named("energy")


@pytest.mark.parametrize("cost", EVERY)
@pytest.mark.parametrize("value", [0.0004, 0.3, 1.0, 5.0, 999.4, 1234.0, 54321.0, 2.5e9])
def test_what_is_said_is_read(cost, value):
    value = value if cost.unit else max(1.0, round(value))
    text = cost.say(value)
    assert text.endswith(cost.unit)
    assert cost.read(text) == pytest.approx(value, rel=0.02)
    assert cost.say(cost.read(text)) == text


@pytest.mark.parametrize("cost", EVERY)
def test_every_unit_of_a_cost_is_read_and_no_other(cost):
    for unit, size in cost.units.items():
        for text in (f"300{unit}", f"3e2 {unit}"):
            assert cost.read(text) == pytest.approx(300 * size)
    for unit in ("apples", "%", *({"k", "m", "G", "ms", "mJ", "KiB"} - set(cost.units))):
        if unit.lower() not in map(str.lower, cost.units):
            with pytest.raises(BudgetError, match=f"on {cost.name} must be a share or a"):
                cost.read(f"3{unit}")
    assert cost.units.get(cost.unit) == 1


@pytest.mark.parametrize("cost", EVERY)
def test_a_share_is_told_from_an_amount(cost):
    assert cost.share("0.5") == cost.share(" 50% ") == 0.5
    assert cost.share(cost.sample.partition("@")[0]) is None
    for bad in ("0", "1.5", "150%"):
        with pytest.raises(BudgetError, match=r"at most 1, but found .* or an? \w+ such as"):
            cost.share(bad)
    for bad in ("0", "1e999"):
        with pytest.raises(BudgetError, match="must be"):
            cost.read(f"{bad}{cost.unit}")


@pytest.mark.parametrize("cost", EVERY)
def test_close_is_within_the_tolerance(cost):
    assert cost.close(0.3, 0.3)
    assert cost.close(1000 * (1 + 0.9 * cost.tolerance), 1000)
    assert not cost.close(1000 * (1 + 1.1 * cost.tolerance), 1000)
    assert not cost.close(0.2, 0.3)


def test_small_m_is_milli_of_an_energy_and_mega_of_a_count():
    energy, params = TOYS[0], COSTS["params"]
    assert energy.read("3mJ") == energy.read("3mj") == energy.read("0.003 J") == 3
    assert energy.read("3MJ") == 3e9
    assert params.read("3m") == params.read("3M") == 3e6
    with pytest.raises(BudgetError, match="must be a share or an energy, but found '3m'"):
        energy.read("3m")
    assert (energy.say(0.3), energy.say(0.0004)) == ("0.30 mJ", "0.0004 mJ")
    assert (params.say(1234.0), MEASURED["latency"].say(0.684)) == ("1,234", "0.684 ms")


@pytest.mark.parametrize("toy", ["counted", "metered"])
def test_a_budget_takes_a_new_cost(toy, request):
    cost = request.getfixturevalue(toy)
    totals = {"energy": 10.0, "params": 1000.0}
    limits = resolve_budget("params=0.5,energy=20%", totals)
    assert [limit.value for limit in limits] == [500, 2]
    assert resolve_budget("energy=300uJ", totals)[0].value == pytest.approx(0.3)
    assert usual_step(parse_budget("params=0.5,energy=0.5"), None) == cost.step(None)
    for bad in ("energy=3", "energy=3m", "energy=0mJ", "energy=3ms"):
        with pytest.raises(BudgetError, match=f"such as energy={cost.sample}"):
            resolve_budget(bad, totals)


def test_a_counted_cost_holds_on_every_engine(counted):
    assert measured_target(parse_budget("energy=0.5")) is None
    with pytest.raises(BudgetError, match="energy holds on every engine, but found '3mJ@eager'"):
        parse_budget("energy=3mJ@eager")


def test_a_measured_cost_holds_for_an_engine(metered):
    assert measured_target(parse_budget("energy=0.5")) == Target("energy", "eager", 1, True)
    asked = parse_budget("macs=0.5,energy=3mJ@onnxruntime:2")
    assert measured_target(asked) == Target("energy", "onnxruntime", 2, False)
    with pytest.raises(BudgetError, match=r"^An energy must name a known engine, but found 'x'"):
        parse_budget("energy=3mJ@x")
    with pytest.raises(BudgetError, match="one measured cost at most, but found latency and ene"):
        parse_budget("latency=0.5,energy=0.5")


@pytest.mark.parametrize(
    "cost", [cost for cost in EVERY if isinstance(cost.values[0], CountedCost)]
)
@pytest.mark.parametrize("name", list(FORMATS))
def test_the_price_of_a_chain_is_what_is_counted_in_the_built_module(cost, name):
    for site in survey(*network()).sites:
        if FORMATS[name].refuses(site) is None:
            ranks = tuple(max(1, limit // 2) for limit in FORMATS[name].rank_limits(site))
            unit = Unit(replace(site, name=""), name, ranks)
            price = cost.total(FORMATS[name].ops(site, ranks))
            assert cost.close(cost.measure(unit.module(), unit.example()), float(price))


@pytest.mark.parametrize(
    "cost", [cost for cost in EVERY if isinstance(cost.values[0], CountedCost)]
)
def test_many_ranks_are_priced_at_once_and_relaxed_ones_have_a_slope(cost):
    site = survey(*network()).sites[0]
    ranks = torch.tensor([2.0, 5.0], dtype=torch.float64, requires_grad=True)
    prices = cost.total(FORMATS["svd"].ops(site, (ranks,)))
    assert prices.tolist() == pytest.approx(
        [float(cost.total(FORMATS["svd"].ops(site, (rank,)))) for rank in (2, 5)]
    )
    (slope,) = torch.autograd.grad(prices.sum(), ranks)
    assert bool((slope > 0).all())


def compressed(net, out, budget, capsys):
    """What the command line says of a run, and the plan it saved."""
    words = ["compress", f"{net}:make", "--budget", budget, "--formats", "svd"]
    assert main([*words, "--method", "uniform", "--out", str(out)]) == 0
    return capsys.readouterr().out, json.loads((out / "plan.json").read_text())


@pytest.mark.parametrize(("budget", "share"), [("energy=0.6", 0.6), ("energy=150uJ", 0.67)])
def test_a_counted_energy_is_limited_and_reported(counted, net, tmp_path, capsys, budget, share):
    model, x = network()
    total, limit = counted.measure(model, x), share * counted.measure(model, x)
    said, plan = compressed(net, tmp_path / "out", budget, capsys)
    assert plan["before"]["energy"] == pytest.approx(total)
    assert plan["predicted"]["energy"] <= limit * 1.01
    predicted = counted.say(plan["predicted"]["energy"])
    assert f"of the energy, that is {counted.say(plan['budget'][0]['value'])}; predicted" in said
    assert f"predicted {predicted}, reached {predicted}." in said
    (row,) = (line.split() for line in said.splitlines() if line.strip().startswith("energy"))
    assert row[:5] == ["energy", *counted.say(total).split(), *predicted.split()]
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"{counted.say(total)} before, {predicted} after" in page
    assert main(["inspect", f"{net}:make"]) == 0
    assert f"{counted.say(total)} of energy" in capsys.readouterr().out


def test_a_counted_energy_that_disagrees_is_refused(counted):
    model, x = network()
    result = tenfold.compress(model, x, "energy=0.6", formats=["svd"], metric="frobenius")
    wrong = {**result.plan.predicted, "energy": 0.9 * result.plan.predicted["energy"]}
    with pytest.raises(PlanError, match=r"predicted energy 0\.\d\d mJ, but found 0\.\d\d mJ"):
        make_report(model, result.model, x, replace(result.plan, predicted=wrong))
    with pytest.raises(
        BudgetError, match=r"\(0\.0002 mJ\) cannot be met, but found 0\.\d+ mJ of .*0\.00 mJ"
    ):
        tenfold.plan(model, x, "energy=0.2uJ", metric="frobenius")


@pytest.mark.parametrize("budget", ["energy=0.6", "energy=150uJ@eager-nchw"])
def test_a_measured_energy_is_limited_settled_and_reported(metered, net, tmp_path, capsys, budget):
    model, x = network()
    total = metered.meter(lambda: model(x))[0]
    said, plan = compressed(net, tmp_path / "out", budget, capsys)
    assert all(rank % 4 == 0 for choice in plan["choices"] for rank in choice["ranks"])
    noted, limit = plan["measured"]["energy"], plan["budget"][0]["value"]
    assert list(noted) == ["engine", "threads", "share", "reached_mJ", "rounds"]
    assert noted["engine"] == (budget.partition("@")[2] or "eager")
    assert noted["reached_mJ"] == pytest.approx(plan["predicted"]["energy"])
    assert plan["before"]["energy"] == pytest.approx(total)
    assert noted["reached_mJ"] <= limit
    reached = metered.say(noted["reached_mJ"])
    assert f"that is {metered.say(limit)}; predicted {reached}, reached {reached}." in said
    assert f"Energy: {metered.say(total)} before, {reached} after in {noted['engine']} on" in said
    assert f"{total / noted['reached_mJ']:.2f}x less." in said
    assert "0.0% off, within 10%." in said
    assert "Limit: kept." in said
    assert f"{reached} after in" in (tmp_path / "out" / "report.html").read_text()
    assert list((tmp_path / "cache").glob("energy-*.json"))
    again = tenfold.plan_from_json(plan)
    assert again.measured["energy"]["reached_mJ"] == noted["reached_mJ"]


def test_what_needs_counts_or_a_clock_says_so(metered):
    model, x = network()
    with pytest.raises(InputError, match="limits that can be counted, but found an energy"):
        tenfold.compress(model, x, "energy=0.5", refine="end-to-end")
    with pytest.raises(InputError, match="needs a latency in the budget, but found an energy"):
        tenfold.plan(model, x, "energy=0.5", latency_table="table.json")


def test_a_meter_that_says_nothing_is_too_coarse(metered, monkeypatch):
    monkeypatch.setattr(MeteredEnergy, "meter", lambda self, run: (0.0, 0.0))
    with pytest.raises(InputError, match=r"more than 0 of every layer, but found 0\.00 mJ"):
        MeasuredCost.readings(metered, {"": lambda: None}, 3, 1, 1.0)


def test_readings_are_the_median_and_the_lower_quartile_of_runs_in_turn(metered, monkeypatch):
    order, says = [], iter(range(1, 100))

    def meter(self, run):
        run()
        amount = float(next(says))
        return amount, amount / 2

    monkeypatch.setattr(MeteredEnergy, "meter", meter)
    runs = {name: lambda name=name: order.append(name) for name in "ab"}
    readings = MeasuredCost.readings(metered, runs, 5, 2, float("inf"))
    assert order == ["a", "b"] * 7
    assert (readings["a"].median, readings["a"].steady) == (9.0, 3.5)
    assert (readings["b"].median, readings["b"].steady) == (10.0, 4.0)
