"""Inputs made to train on: of the classes drawn, after the statistics, alike each time."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import tenfold
from tenfold.data import given, made
from tenfold.data.made import asks_for_made, classes_of, count_asked, made_inputs, objective
from tenfold.data.synthesise import descend, mismatch, smooth_noise
from tenfold.errors import BudgetError, InputError
from tenfold.training import TuneSettings
from tests.networks import example, tiny_resnet


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(made, "FIRST_STEPS", 40)
    monkeypatch.setattr(made, "FIRST", 64)


@pytest.fixture
def teacher():
    torch.manual_seed(0)
    model = tiny_resnet()
    with torch.no_grad():
        model.head.weight.mul_(20)  # so that classes differ
    return model.eval()


def test_made_inputs_fit_the_statistics(teacher):
    found = made_inputs(teacher, example(), 96)
    noise = smooth_noise((96, 3, 12, 12))
    assert found.shape == noise.shape
    with torch.no_grad():
        assert mismatch(teacher, found) < 0.5 * mismatch(teacher, noise)


def test_each_is_of_the_class_that_was_drawn(teacher):
    start = smooth_noise((64, 3, 12, 12))
    torch.manual_seed(3)
    labels = torch.randint(classes_of(teacher, example()), (64,))
    torch.manual_seed(3)
    found = descend(teacher, start, objective(teacher, classes_of(teacher, example()), 64), 120)
    right = [float((teacher(x).argmax(1) == labels).float().mean()) for x in (start, found)]
    assert right[1] > right[0] + 0.15


def test_a_seed_makes_the_same_inputs_and_touches_nothing(teacher, monkeypatch):
    monkeypatch.setenv("TENFOLD_CACHE", "")
    state, before = torch.get_rng_state(), {k: v.clone() for k, v in teacher.state_dict().items()}
    first, again, other = (made_inputs(teacher, example(), 65, seed=s) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in teacher.parameters())


def test_inputs_made_of_others_begin_nearer_than_noise(teacher):
    first = made_inputs(teacher, example(), 64)
    loss = objective(teacher, 0, 64)
    torch.manual_seed(3)
    with torch.no_grad():
        assert loss(made.mixed(first, 64)) < 0.5 * loss(smooth_noise((64, 3, 12, 12)))


def test_plain_values_and_maps_have_no_classes(teacher):
    assert classes_of(nn.Sequential(nn.Linear(4, 1)), torch.zeros(2, 4)) == 0
    assert classes_of(nn.Sequential(nn.Conv2d(3, 5, 1)), torch.zeros(1, 3, 4, 4)) == 0
    values = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3)).eval()
    result = tenfold.compress(
        values,
        torch.zeros(2, 8),
        "params=0.7",
        data="synthetic:64",
        metric="frobenius",
        tuning={"class_mode": None, "epochs": 1},
    )
    assert result.plan.tuning["class_mode"] is None


def test_the_word_and_its_number():
    assert count_asked("synthetic") == 1024
    assert count_asked("synthetic:4096") == 4096
    assert asks_for_made("synthetic:12")
    assert not asks_for_made("net.py:synthetic")


@pytest.mark.parametrize("text", ["synthetic:0", "synthetic:-3", "synthetic:1e3", "no"])
def test_other_words_are_told(teacher, text):
    with pytest.raises(InputError, match="synthetic:4096"):
        tenfold.compress(teacher, example(), "params=0.5", data=text)


def test_made_inputs_have_settings_of_their_own(teacher):
    asked = {"data": "synthetic:64", "metric": "frobenius", "epochs": 0}
    found = tenfold.compress(teacher, example(), "params=0.5", **asked)
    told = found.plan.tuning
    assert (told["task"], told["features"], told["temperature"]) == (0.0, 0.0, 20.0)
    assert told["batchnorm"] == "frozen"
    own = tenfold.compress(teacher, example(), "params=0.5", tuning=TuneSettings(), **asked)
    assert own.plan.tuning["temperature"] == TuneSettings().temperature


def test_what_cannot_be_is_told_before_inputs_are_made(teacher, monkeypatch):
    """16,384 of them take a core 25 minutes."""

    def never(*_, **__):
        raise AssertionError("inputs were made")

    monkeypatch.setattr(given, "made_inputs", never)
    with pytest.raises(BudgetError, match="at least"):
        tenfold.compress(teacher, example(), "params=0.0001", data="synthetic:64")
    with pytest.raises(InputError, match="synthetic:4096"):
        tenfold.compress(teacher, example(), "params=0.5", data="synthetic:none")
