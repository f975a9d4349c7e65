"""What holds for every loss of the fine-tuning, registered or not: a toy lives in this file."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn

from tenfold.data.batches import Batch
from tenfold.errors import InputError
from tenfold.training import TuneSettings, read_settings, tune
from tenfold.training.losses import LOSSES, Term
from tenfold.training.objective import Objective
from tenfold.training.outputs import parts_in_common

NONE = TuneSettings(task=0.0, logits=0.0, features=0.0)
DISTILLING = ("features", "logits", "relations")


class Largest(Term):
    """The largest output alone has to agree."""

    name = "largest"

    def of(self, lesson):
        mine, goals = parts_in_common(lesson.output, lesson.answer)
        name, goal = next(iter(goals.items()))
        return (mine[name].amax(1) - goal.amax(1)).square().mean()


@pytest.fixture
def networks():
    """An original, and a student with a chain in the place of its first layer."""
    torch.manual_seed(0)
    original = nn.Sequential(nn.Sequential(nn.Linear(6, 8), nn.Tanh()), nn.Linear(8, 4))
    student = deepcopy(original)
    chain = nn.Sequential(nn.Linear(6, 3, bias=False), nn.Linear(3, 8))
    student[0][0] = chain
    return original.eval(), student


def only(name):
    """Settings in which one loss counts."""
    own = {"task": 1.0, "logits": 1.0, "features": 1.0}
    return replace(NONE, **{name: own[name]} if name in own else {"losses": (f"{name}:1",)})


def batch():
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1, 2, 3, 0])
    return Batch(x, labels, (x, labels))


@pytest.mark.parametrize("name", list(LOSSES))
def test_a_loss_is_finite_and_reaches_the_factors(networks, name):
    original, student = networks
    loss = Objective(student, original, only(name), None)(batch())
    loss.backward()
    assert loss.ndim == 0
    assert 0 < loss < torch.inf
    assert all(p.grad.abs().sum() > 0 for p in student[0][0].parameters() if p.ndim > 1)


@pytest.mark.parametrize("name", DISTILLING)
def test_a_loss_that_distils_is_least_for_the_original_itself(networks, name):
    original, student = networks
    nothing = nn.Linear(6, 6, bias=False)
    nn.init.eye_(nothing.weight)
    student[0][0] = nn.Sequential(nothing, deepcopy(original[0][0]))  # a chain that is the layer
    least = Objective(student, original, only(name), None)(batch())
    assert float(least) == pytest.approx(0, abs=1e-6)


def test_a_loss_is_one_registered_object(networks):
    original, student = networks
    with LOSSES.adding("largest", Largest()):
        objective = Objective(student, original, replace(NONE, losses=("largest:2",)), None)
        x = batch().inputs
        gap = (student(x).amax(1) - original(x).amax(1)).square().mean()
        assert float(objective(batch())) == pytest.approx(2 * float(gap))
        settings = replace(NONE, losses=("largest",), epochs=30, rate=0.01)
        tuned = tune(student, original, [(x, None)] * 4, settings=settings)
        closer = (tuned.model(x).amax(1) - original(x).amax(1)).square().mean()
        assert closer < 0.5 * gap


def test_a_weight_of_nothing_leaves_a_loss_out(networks):
    original, student = networks
    objective = Objective(student, original, replace(only("logits"), losses=("relations:0",)), None)
    alone = Objective(student, original, only("logits"), None)
    assert objective(batch()) == alone(batch())


def test_losses_are_read_from_a_text():
    assert read_settings("losses=relations:0.5,largest:2,ema=0.9") == {
        "losses": ("relations:0.5", "largest:2"),
        "ema": 0.9,
    }


def test_slips_in_losses_are_one_sentence(networks):
    original, student = networks
    with pytest.raises(InputError, match="weight of 0 or more, but found 'relations:-1'"):
        TuneSettings(losses=("relations:-1",))
    with pytest.raises(InputError, match="relation"):
        Objective(student, original, replace(NONE, losses=("relation",)), None)
