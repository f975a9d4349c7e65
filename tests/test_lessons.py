"""Classifiers of more classes than there are inputs learn on features of every class."""

import pytest
import torch
from torch import nn

import tenfold
from tenfold.build.rebuild import rebuild
from tenfold.build.teach import gap, teach
from tenfold.curves.damage import measure_damages
from tenfold.curves.trace import trace_curves
from tenfold.data.features import SURE, class_features
from tenfold.pipeline.realise import build
from tenfold.sense import sense
from tenfold.sense.lessons import make_lessons
from tenfold.survey.stage import survey
from tenfold.tasks import read_task

FEATURES, CLASSES, INPUTS = 20, 70, 8


@pytest.fixture(scope="module")
def wide():
    """Eight images make features of which seventy classes are told apart."""
    torch.manual_seed(0)
    head = nn.Linear(FEATURES, CLASSES)
    head.weight.data = 8 * nn.functional.normalize(torch.rand(CLASSES, FEATURES) ** 4, dim=1)
    trunk = [nn.Conv2d(3, FEATURES, 3, padding=1), nn.BatchNorm2d(FEATURES), nn.ReLU()]
    return nn.Sequential(*trunk, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()


@pytest.fixture(scope="module")
def images():
    torch.manual_seed(1)
    return torch.randn(INPUTS, 3, 8, 8)


@pytest.fixture(scope="module")
def sensed(wide, images):
    return sense(wide, survey(wide, images[:1]), images[:1], calibration=images)


def lessons_of(model, x, seed=0):
    return make_lessons(model, survey(model, x).sites, [x], read_task("classes"), seed)


def test_features_are_of_every_class_and_as_the_layer_sees_them(wide, images):
    observed = wide[:-1](images).detach()
    weight = wide[-1].weight.detach()
    x = class_features(wide[-1], weight, observed, 2, torch.Generator().manual_seed(0))
    shares = wide[-1](x).softmax(1).detach()
    goal = torch.arange(CLASSES).repeat(2)
    assert x.shape == (2 * CLASSES, FEATURES)
    assert float(x.min()) >= float(observed.min())
    assert float((shares.argmax(1) == goal).double().mean()) > 0.95
    assert float(shares.gather(1, goal[:, None]).median()) >= SURE - 0.01


def test_only_a_last_layer_of_more_classes_than_inputs_has_a_lesson(wide, images):
    assert list(lessons_of(wide, images)) == ["5"]
    assert not lessons_of(wide, torch.randn(CLASSES, 3, 8, 8)), "inputs enough"
    assert not lessons_of(nn.Sequential(*wide, nn.Softmax(1)), images), "not what is said"
    assert not make_lessons(wide, survey(wide, images).sites, [images], read_task("regression"), 0)


def test_lessons_hold_features_apart_and_repeat(wide, images):
    first, again = lessons_of(wide, images)["5"], lessons_of(wide, images)["5"]
    assert torch.equal(first.seen[0], again.seen[0])
    assert not torch.equal(first.seen[0][:CLASSES], first.apart[0])


def test_the_damage_of_a_wide_classifier_is_that_to_its_classes(wide, images, sensed):
    """On the few inputs themselves the rank that repeats them would look harmless."""
    assert "5" in sensed.lessons
    assert "5" not in sensed.metrics
    curves = trace_curves(wide, survey(wide, images[:1]), sensed.metrics, formats=["svd"])
    few, all_classes = (
        measure_damages(wide, curves, [images], task=sensed.task, lessons=lessons)
        for lessons in ({}, sensed.lessons)
    )
    place = next(k for k, c in enumerate(curves) if c.site.name == "5" and c.format == "svd")
    row = int((curves[place].ranks[:, 0] <= 8).sum()) - 1
    assert all_classes[place][row] > 3 * few[place][row]
    others = [k for k, c in enumerate(curves) if c.site.name != "5"]
    assert all(torch.equal(few[k], all_classes[k]) for k in others)


def test_taught_factors_tell_classes_apart_better(wide, images, sensed):
    result = tenfold.compress(wide, images[:1], {"params": 0.6}, calibration=images)
    choice = next(c for c in result.plan.choices if c.site == "5")
    assert choice.format == "svd"
    plain = rebuild(wide, result.plan, sensed.metrics)
    fresh = lessons_of(wide, images, seed=7)["5"].seen[0]
    head = wide[-1]
    assert gap(head, result.model[-1], fresh) < 0.8 * gap(head, plain[-1], fresh)
    assert build(wide, result.plan, sensed, None, lambda *_: None)[-1] is not None
    assert all(p.requires_grad for p in result.model.parameters())


def test_teaching_that_does_not_help_is_undone(wide, images, sensed, monkeypatch):
    plan = tenfold.plan(wide, images[:1], {"params": 0.6}, calibration=images)
    built = rebuild(wide, plan, {})
    before = [p.detach().clone() for p in built[-1].parameters()]
    monkeypatch.setattr("tenfold.build.teach.RATE", 1e6)
    teach(wide[-1], built[-1], sensed.lessons["5"])
    assert all(torch.equal(p, held) for p, held in zip(built[-1].parameters(), before))
