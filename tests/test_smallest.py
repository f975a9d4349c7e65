"""A budget by quality: the smallest network that keeps an agreement."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import tenfold
from tenfold.cli import main
from tenfold.errors import BudgetError, InputError
from tests.networks import example, tiny_resnet

QUICK = {"formats": ("svd",)}


def test_the_plan_keeps_what_was_asked_and_the_next_smaller_one_does_not():
    plan = tenfold.smallest(tiny_resnet(), example(), 0.95, cost="macs", **QUICK)
    (limit,) = plan.budget
    assert limit.cost == "macs"
    assert plan.forecast.fitted
    assert plan.forecast.agreement >= 0.95
    less = f"macs={float(limit.asked) - 1 / 64:.6g}"
    built = tenfold.compress(tiny_resnet(), example(), less, **QUICK)
    assert built.plan.forecast.agreement < 0.95


def test_what_nothing_smaller_keeps_is_refused(monkeypatch):
    monkeypatch.setattr("tenfold.pipeline.smallest.built_plan", lambda *_: None)
    with pytest.raises(BudgetError, match="which none of params"):
        tenfold.smallest(tiny_resnet(), example(), 0.9, **QUICK)


@pytest.mark.parametrize(
    ("agreement", "cost", "rule"),
    [(1.0, "params", "between 0 and 1"), (0.9, "latency", "counted")],
)
def test_what_cannot_be_is_refused(agreement, cost, rule):
    with pytest.raises(InputError, match=rule):
        tenfold.smallest(tiny_resnet(), example(), agreement, cost=cost)


def test_without_inputs_there_is_no_agreement():
    model = nn.Sequential(nn.Linear(30, 30), nn.ReLU(), nn.Linear(30, 10))
    with pytest.raises(InputError, match="held apart"):
        tenfold.smallest(model, torch.zeros(1, 30), 0.9)


def test_flags_that_do_not_go_together(capsys):
    assert main(["plan", "demo", "--budget", "params=0.5", "--agreement", "0.9"]) == 2
    assert "a budget or an agreement" in capsys.readouterr().err
    assert main(["plan", "demo", "--budget", "params=0.5", "--cost", "macs"]) == 2
    assert "--cost needs --agreement" in capsys.readouterr().err
