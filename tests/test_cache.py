"""Once for many budgets: what no budget changes is made once, and kept on disk within a limit."""

from __future__ import annotations

import os
from contextlib import ExitStack
from unittest import mock

import pytest
import torch
from torch import nn

import tenfold
from tenfold.curves import kept as kept_curves
from tenfold.errors import InputError
from tenfold.formats import FORMATS
from tenfold.formats.metric import Metric
from tenfold.machine.cache import Kept, name_for, recall, remember
from tenfold.machine.cache_files import clear, entries, trim
from tenfold.network.identity import digest_of
from tenfold.pipeline import learn
from tenfold.sense import stage
from tenfold.store import plan_to_json
from tenfold.survey.stage import survey

STAGES = {
    "moments": (stage, "estimate_moments"),
    "sides": (learn, "choose_sides"),
    "curves": (kept_curves, "trace_curves"),
    "damages": (learn, "measure_damages"),
}
QUICK = {"formats": ("svd", "tucker"), "method": "uniform"}


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch, stages_kept):
    """A cache that is empty, and serves stages too."""
    monkeypatch.setenv("TENFOLD_CACHE", str(tmp_path))
    return tmp_path


def work_of(function):
    """What the function returns, and the stages that were at work."""
    with ExitStack() as stack:
        spies = {
            name: stack.enter_context(mock.patch.object(where, what, wraps=getattr(where, what)))
            for name, (where, what) in STAGES.items()
        }
        value = function()
    return value, {name for name, spy in spies.items() if spy.called}


def told(plan):
    """A plan without the seconds that it took."""
    return {name: value for name, value in plan_to_json(plan).items() if name != "seconds"}


class Activated(nn.Sequential):
    """The same modules and weights may say something else."""

    function = torch.relu

    def forward(self, x):
        return super().forward(type(self).function(x))


def small(seed=0):
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(2)]
    return Activated(*layers, nn.Flatten(), nn.Linear(32, 8)).eval()


def images(size=8, count=1):
    return torch.linspace(-1, 1, count * 3 * size**2).reshape(count, 3, size, size)


def planned(weights=0, size=8, budget="params=0.7", **settings):
    asked = {**QUICK, **settings}
    return work_of(lambda: tenfold.plan(small(weights), images(size), budget, **asked))


def test_a_second_budget_makes_nothing_again(monkeypatch):
    asked = {"formats": ("svd", "cp", "tucker"), "method": "continuous"}
    first, worked = planned(**asked)
    assert worked == set(STAGES)
    other, worked = planned(budget="params=0.4,macs=0.9", **asked)
    assert worked == set()
    assert other.predicted["params"] <= 0.4 * other.before["params"] < first.predicted["params"]
    again, worked = planned(**asked)
    assert (told(again), worked) == (told(first), set())
    _, worked = work_of(lambda: tenfold.apply(other, small()))
    assert worked == set()
    monkeypatch.setenv("TENFOLD_CACHE", "")
    without, worked = planned(**asked)
    assert (told(without), worked) == (told(first), set(STAGES))


@pytest.mark.parametrize("method", ["vbmf", "energy"])
def test_every_method_is_served(method):
    assert told(planned(method=method)[0]) == told(planned(method=method)[0])


def test_a_network_that_says_something_else_is_made_again(monkeypatch):
    planned()
    monkeypatch.setattr(Activated, "function", torch.square)
    assert planned()[1] == set(STAGES)


def test_what_changes_the_moments_makes_all_anew():
    planned()
    for changes in (
        {"weights": 1},
        {"size": 12},
        {"metric": "noise"},
        {"seed": 1},
        {"task": "regression"},
        {"exclude": ("0",)},
    ):
        assert planned(**changes)[1] == set(STAGES), changes
    assert planned()[1] == set()


def test_what_changes_the_curves_leaves_the_moments():
    planned()
    assert planned(formats=("svd",))[1] == {"curves", "damages"}
    assert planned(round_to=2)[1] == {"curves", "damages"}


def test_other_numbers_of_a_calibration_are_others():
    data = images(count=16)
    planned(calibration=data)
    assert planned(calibration=data.clone())[1] == set()
    data[3, 0, 0, 0] += 1e-3
    assert planned(calibration=data)[1] == set(STAGES)


def test_a_function_of_ones_own_is_asked_each_time():
    def gap(output, original):
        return (output - original).square().mean()

    planned(task=gap)
    assert planned(task=gap)[1] == {"sides", "damages"}


def test_broken_and_foreign_files_are_made_anew(own):
    first, _ = planned()
    for file in own.glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-9])
    again, worked = planned()
    assert (told(again), worked) == (told(first), set(STAGES))
    files = sorted(own.glob("*.safetensors"))
    for file, other in zip(files, [file.read_bytes() for file in files[1:] + files[:1]]):
        file.write_bytes(other)
    again, worked = planned()
    assert (told(again), worked) == (told(first), set(STAGES))
    for file in own.glob("*-*.safetensors"):
        remember(file.stem, Kept({"0.errors": torch.ones(1)}, {"sites": ["a"], "groups": [0]}))
    (moments,) = own.glob("moments-*.safetensors")
    moments.unlink()
    again, worked = planned()
    assert (told(again), worked) == (told(first), set(STAGES))


def test_a_ladder_of_cp_is_kept_group_by_group():
    torch.manual_seed(0)
    layer = nn.Conv2d(8, 8, 3, groups=2)
    site = survey(nn.Sequential(layer), torch.zeros(1, 8, 6, 6)).sites[0]
    fmt, ranks = FORMATS["cp"], torch.tensor([[1], [3], [5]])
    state = fmt.analyse(site, layer.weight.detach(), Metric())
    errors = fmt.errors(state, ranks)
    again = fmt.resumed(fmt.analyse(site, layer.weight.detach(), Metric()), fmt.dear(state))
    with mock.patch("tenfold.formats._als.fit", side_effect=AssertionError):
        assert torch.equal(fmt.errors(again, ranks), errors)


def test_the_oldest_use_goes_first(own, monkeypatch):
    names = [name_for("curves", k) for k in range(3)]
    for age, name in enumerate(names):
        remember(name, Kept({"x": torch.zeros(1000)}))
        os.utime(own / f"{name}.safetensors", (100 + age, 100 + age))
    (own / "notes.safetensors").write_text("a user's own")
    recall(names[0])
    assert [entry.path.stem for entry in entries()] == [names[1], names[2], names[0]]
    trim(2.5 * entries()[0].size)
    assert [entry.path.stem for entry in entries()] == [names[2], names[0]]
    monkeypatch.setenv("TENFOLD_CACHE_GB", "5e-6")
    remember(names[1], Kept({"x": torch.zeros(1000)}))
    assert [entry.path.stem for entry in entries()] == [names[1]]
    remember(names[2], Kept({"x": torch.zeros(2000)}))
    assert [entry.path.stem for entry in entries()] == [names[1]]
    monkeypatch.setenv("TENFOLD_CACHE_GB", "much")
    with pytest.raises(InputError, match="TENFOLD_CACHE_GB=4"):
        remember(names[1], Kept())
    assert (own / "notes.safetensors").exists()


def test_a_digest_tells_names_shapes_types_and_numbers():
    x = torch.arange(6.0)
    values = [x, x.reshape(2, 3), x.double(), x + 1, {"a": x}, {"b": x}, (x, 1), (x, 2), [x, x]]
    assert len({digest_of(value) for value in values}) == len(values)
    assert digest_of({"a": x}) == digest_of({"a": x.clone()})
    assert digest_of(torch.eye(3).to_sparse()) == digest_of(torch.eye(3))


def test_clearing_takes_what_is_tenfolds(own):
    remember(name_for("damages", 1), Kept({"x": torch.zeros(3)}))
    (own / "holiday.json").write_text("{}")
    assert clear()[0] == 1
    assert [file.name for file in own.iterdir()] == ["holiday.json"]
