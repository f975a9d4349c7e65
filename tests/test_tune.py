"""Fine-tuning: it helps, it resumes without loss, and it stops with a sentence."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

import tenfold
from tenfold.errors import InputError
from tenfold.training import TuneSettings, tune
from tenfold.training.score import accuracy
from tests.tuning import SETTINGS, Images, make_pair, same


@pytest.fixture(scope="module")
def pair():
    return make_pair()


def cross_entropy(model, data):
    with torch.no_grad():
        return float(nn.functional.cross_entropy(model(data.images), data.labels))


def distance(model, teacher, data):
    with torch.no_grad():
        gap = model(data.images).softmax(1) - teacher(data.images).softmax(1)
    return float(gap.square().sum())


def test_labels_bring_the_task_loss_down(pair):
    teacher, student = pair
    data = Images(teacher)
    tuned = tune(student, teacher, data, settings=replace(SETTINGS, epochs=12))
    assert cross_entropy(tuned.model, data) < 0.7 * cross_entropy(student, data)
    assert not tuned.model.training
    assert [h["epoch"] for h in tuned.history] == list(range(1, 13))


def test_without_labels_the_original_teaches(pair):
    teacher, student = pair
    data = Images(teacher, labelled=False)
    tuned = tune(student, teacher, data, settings=replace(SETTINGS, epochs=12))
    assert distance(tuned.model, teacher, data) < 0.6 * distance(student, teacher, data)


def test_the_best_epoch_is_kept(pair):
    teacher, student = pair
    scores = iter([1.0, 1.0, 3.0, 9.0, 2.0])  # as handed over, statistics anew, three epochs
    tuned = tune(student, teacher, Images(teacher), settings=SETTINGS, score=lambda _: next(scores))
    again = tune(student, teacher, Images(teacher), settings=SETTINGS, score=lambda _: 0.0)
    assert tuned.best_epoch == 2
    assert again.best_epoch == 0, "later epochs must be better, not equal"


@pytest.mark.parametrize(("anew", "kept"), [(0.5, False), (2.0, True)])
def test_statistics_estimated_anew_are_kept_where_they_are_better(pair, anew, kept):
    teacher, student = pair
    scores = iter([1.0, anew, 0.0, 0.0, 0.0])
    tuned = tune(student, teacher, Images(teacher), settings=SETTINGS, score=lambda _: next(scores))
    unchanged = torch.equal(tuned.model.block[1].running_mean, student.block[1].running_mean)
    assert tuned.best_epoch == 0
    assert unchanged != kept


def test_no_epochs_change_nothing(pair):
    teacher, student = pair
    tuned = tune(student, teacher, Images(teacher), settings=replace(SETTINGS, epochs=0))
    assert same(tuned.model, student)


def test_validation_chooses_by_accuracy(pair):
    teacher, student = pair
    held = [(Images(teacher).images, Images(teacher).labels)]
    tuned = tune(student, teacher, Images(teacher), settings=SETTINGS, validation=held)
    assert accuracy(tuned.model, held) == max(
        accuracy(student, held), *(h["score"] for h in tuned.history)
    )


@pytest.mark.parametrize("data", [[], iter([torch.zeros(2, 3, 12, 12)])])
def test_data_must_be_iterable_each_epoch(pair, data):
    teacher, student = pair
    with pytest.raises(InputError, match="each time"):
        tune(student, teacher, data, settings=SETTINGS)


def test_a_loss_of_ones_own(pair):
    teacher, student = pair
    seen = []

    def loss(output, batch):
        seen.append(len(batch))
        return output.square().mean()

    tune(student, teacher, Images(teacher), settings=replace(SETTINGS, epochs=1), loss=loss)
    assert seen == [2] * 6


def test_mappings_as_batches():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4))

        def forward(self, x):
            return {"logits": self.net(x)}

    teacher = Named().eval()
    x = {"x": torch.randn(8, 16)}
    data = [{**x, "labels": torch.randint(0, 4, (8,))}] * 3
    result = tenfold.compress(teacher, x, "params=0.7", data=data, epochs=1)
    assert len(result.report.history) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"epochs": -1},
        {"rate": 0.0},
        {"rate": math.nan},
        {"batchnorm": "maybe"},
        {"precision": "int3"},
        {"clip": -1.0},
        {"clip": 0.0},
        {"temperature": 0.0},
        {"weight_decay": -1e-4},
        {"logits": math.nan},
        {"warmup": 1.5},
    ],
)
def test_settings_are_checked(bad):
    with pytest.raises(InputError, match=next(iter(bad)) + "|learning rate"):
        TuneSettings(**bad)


def test_labels_that_are_no_classes_are_told(pair):
    teacher, student = pair
    data = [(torch.randn(4, 3, 12, 12), torch.randn(4))]
    with pytest.raises(InputError, match="integer class indices"):
        tune(student, teacher, data, settings=SETTINGS)


def test_bf16_trains_fp32_weights(pair):
    teacher, student = pair
    settings = replace(SETTINGS, epochs=6, precision="bf16")
    data = Images(teacher)
    tuned = tune(student, teacher, data, settings=settings)
    assert {p.dtype for p in tuned.model.parameters()} == {torch.float32}
    assert cross_entropy(tuned.model, data) < cross_entropy(student, data)
