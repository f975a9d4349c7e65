"""Networks as they come: with things that cannot be copied, made in inference mode, wrapped."""

from __future__ import annotations

import os
import threading

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

import tenfold
from tenfold.errors import InputError
from tenfold.network.copying import copy_of
from tenfold.survey.stage import survey

QUICK = {"metric": "frobenius", "formats": ["svd"]}


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 48), nn.ReLU(), nn.Linear(48, 16)).eval()


@pytest.mark.parametrize("thing", [threading.Lock, lambda: iter(()), lambda: (i for i in ())])
def test_what_cannot_be_copied_is_shared(thing):
    model = small()
    model.kept = thing()
    result = tenfold.compress(model, torch.ones(2, 16), "params=0.5", **QUICK)
    assert result.report.after["params"] <= 0.5 * result.report.before["params"]
    assert copy_of(model).kept is not None


def test_an_open_file_is_shared():
    model = small()
    with open(os.devnull) as model.log:
        copied = copy_of(model)
    assert copied.log is model.log
    assert copied[0].weight is not model[0].weight


def test_what_holds_weights_and_cannot_be_copied_is_named():
    model = small()
    model.kept = [model[0], threading.Lock()]
    with pytest.raises(InputError, match=r"Sequential\.kept, a list"):
        copy_of(model)


def test_a_network_made_in_inference_mode_is_compressed_and_tuned():
    with torch.inference_mode():
        model, x = small(), torch.ones(2, 16)
        result = tenfold.compress(
            model, x, "params=0.5", data=[torch.ones(4, 16)], epochs=1, **QUICK
        )
    assert result.report.after["params"] <= 0.5 * result.report.before["params"]
    assert not any(p.is_inference() for p in result.model.parameters())
    assert all(p.is_inference() for p in model.parameters())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: torch.compile(model, backend="eager"),
        nn.DataParallel,
        AveragedModel,
        lambda model: torch.compile(AveragedModel(model), backend="eager"),
    ],
)
def test_wrappers_are_seen_through(wrap):
    model, x = small(), torch.ones(2, 16)
    plain = tenfold.compress(model, x, "params=0.5", **QUICK)
    result = tenfold.compress(wrap(model), x, "params=0.5", **QUICK)
    assert type(result.model) is nn.Sequential
    assert result.plan.choices == plain.plan.choices
    assert torch.equal(result.model(x), plain.model(x))
    assert torch.equal(tenfold.apply(result.plan, wrap(model))(x), plain.model(x))
    assert [site.name for site in survey(wrap(model), x).sites] == ["0", "2"]


@pytest.mark.parametrize("place", ["", "2"])
def test_modules_that_are_compiled_in_place_run_as_they_are_written(place):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3)).eval()
    x = torch.rand(3, 3, 8, 8)
    asked = {"calibration": [x, torch.rand(2, 3, 7, 9)], "formats": ("svd",)}
    plain = tenfold.plan(model, x, "params=0.5", **asked)
    part = model.get_submodule(place)
    part.compile(backend="eager")
    assert tenfold.plan(model, x, "params=0.5", **asked).choices == plain.choices
    assert part._compiled_call_impl is not None


class Picture(torch.Tensor):
    """A class of its own that leaves all operations to torch."""


def test_tensors_of_other_classes_are_plain_in_the_result():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.Conv2d(16, 16, 3)).eval()
    x = torch.rand(2, 3, 8, 8)
    own = x.as_subclass(Picture)
    plain = tenfold.compress(model, x, "params=0.5", calibration=[x])
    result = tenfold.compress(model, own, "params=0.5", calibration=[own])
    assert {type(p) for p in result.model.parameters()} == {nn.Parameter}
    assert torch.equal(result.model(x), plain.model(x))


class Graph(nn.Module):
    """Mixes its rows by a sparse matrix."""

    def __init__(self):
        super().__init__()
        self.register_buffer("edges", torch.eye(6).roll(1, 0).to_sparse())
        self.lift, self.head = nn.Linear(16, 48), nn.Linear(48, 16)

    def forward(self, x):
        return self.head(torch.sparse.mm(self.edges, self.lift(x)).relu())


def test_a_network_with_a_sparse_buffer_is_compressed_and_saved(tmp_path):
    torch.manual_seed(0)
    model, x = Graph().eval(), torch.rand(6, 16)
    result = tenfold.compress(model, x, "params=0.5", **QUICK)
    again = tenfold.load(tenfold.save(result, tmp_path / "small"), Graph)
    assert again.edges.is_sparse
    assert torch.equal(again(x), result.model(x))
