"""Networks, data and functions of many kinds: they train, or a sentence says what is wrong."""

from __future__ import annotations

import copy
import json
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import tenfold
from tenfold.errors import InputError, TrainingError
from tenfold.training import TuneSettings, tune
from tenfold.training.losses.task import classification_loss
from tenfold.training.score import hits_of
from tests.networks import example, tiny_resnet
from tests.tuning import SETTINGS, Images, make_pair

ONCE = replace(SETTINGS, epochs=1)


@pytest.fixture(scope="module")
def pair():
    return make_pair()


class Stream(IterableDataset):
    """Inputs and labels without a length."""

    def __init__(self, data):
        self.data = data

    def __iter__(self):
        return iter(zip(self.data.images, self.data.labels))


def test_a_stream_has_no_length(pair):
    teacher, student = pair
    rows = DataLoader(Stream(Images(teacher)), batch_size=8)
    tuned = tune(student, teacher, rows, settings=SETTINGS, validation=rows)
    assert [epoch["score"] > 0 for epoch in tuned.history] == [True] * 3


def test_few_inputs_in_one_tensor_teach_gently(pair):
    teacher, student = pair
    images = Images(teacher).images
    tuned = tune(student, teacher, images, settings=replace(ONCE, rate=5e-4, batchnorm="frozen"))
    assert tuned.history[0]["loss"] > 0
    with pytest.raises(InputError, match="Data in one tensor"):
        tune(student, teacher, images.long())


@pytest.mark.parametrize("kind", ["inputs", "pair", "mapping"])
def test_a_single_batch_is_not_taken_for_batches(pair, kind):
    teacher, student = pair
    data = Images(teacher)
    inputs, labels = data.images, data.labels
    one = {"inputs": inputs, "pair": (inputs, labels), "mapping": {"x": inputs}}[kind]
    with pytest.raises(InputError, match=r"Data must be batches.*as \[\(inputs, labels\)\]"):
        tune(student, teacher, data, settings=ONCE, validation=one)
    with pytest.raises(InputError, match="Data must be batches"):
        tenfold.compress(teacher, example(), "params=0.5", data=data, validation=one)
    assert tune(student, teacher, data, settings=ONCE, validation=[(inputs, labels)]).history


def test_a_batch_reaches_the_loss_as_it_came(pair):
    teacher, student = pair
    Sample = namedtuple("Sample", "images labels")
    data = [Sample(images, labels) for images, labels in Images(teacher)]
    seen = []

    def loss(output, batch):
        seen.append(batch.labels)
        return nn.functional.cross_entropy(output, batch.labels)

    tune(student, teacher, data, settings=ONCE, loss=loss)
    assert len(seen) == 6


@pytest.mark.parametrize("mode", [1, None])
def test_of_one_output_the_value_is_taught(mode):
    torch.manual_seed(0)
    teacher = nn.Sequential(nn.Linear(16, 48), nn.ReLU(), nn.Linear(48, 1)).eval()
    inputs = torch.randn(64, 16, generator=torch.Generator().manual_seed(1))
    plan = tenfold.plan(teacher, inputs[:1], "params=0.4", metric="frobenius")
    student = tenfold.apply(plan, teacher)

    def gap(model):
        with torch.no_grad():
            return float((model(inputs) - teacher(inputs)).square().mean())

    settings = TuneSettings(epochs=10, rate=1e-2, features=0.0, class_mode=mode)
    tuned = tune(student, teacher, list(inputs.split(16)), settings=settings)
    assert gap(tuned.model) < 0.5 * gap(student)


def test_a_batch_in_which_no_label_counts_teaches_by_the_original_alone(pair):
    teacher, student = pair
    data = list(Images(teacher))
    data[3] = (data[3][0], torch.full((8,), -100))
    tuned = tune(student, teacher, data, settings=ONCE)
    assert all(bool(torch.isfinite(p).all()) for p in tuned.model.parameters())


def test_labels_that_do_not_count_change_nothing_but_the_mean():
    student = teacher = tiny_resnet()
    (images, labels), *_ = Images(teacher)
    some = labels.where(torch.arange(8) < 5, -100)
    settings = replace(ONCE, logits=0.0, features=0.0, batchnorm="frozen")
    losses = [
        tune(student, teacher, [batch], settings=settings).history[0]["loss"]
        for batch in ((images, some), (images[:5], labels[:5]))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_frozen_network_is_trained(pair):
    teacher, student = (copy.deepcopy(model).requires_grad_(False) for model in pair)
    tuned = tune(student, teacher, Images(teacher), settings=SETTINGS)
    assert tuned.history[-1]["loss"] < tuned.history[0]["loss"]
    assert not any(p.requires_grad for p in tuned.model.parameters())


def test_factors_of_frozen_layers_are_trained_and_other_frozen_layers_are_not(pair):
    teacher, student = (copy.deepcopy(model) for model in pair)
    for model in (teacher, student):
        model.requires_grad_(False).head.requires_grad_(True)
    tuned = tune(student, teacher, Images(teacher), settings=SETTINGS)
    before = dict(student.named_parameters())
    moved = {k for k, p in tuned.model.named_parameters() if not torch.equal(p, before[k])}
    assert {k for k in before if k.startswith("block.0.")} <= moved
    assert not any(k.startswith("block.1.") for k in moved), "a BatchNorm that was frozen"


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (lambda output, batch: {}["a name"], "KeyError: 'a name'"),
        (lambda output, batch: output.square().mean(1), r"a tensor of shape \(8,\)"),
        (lambda output, batch: None, "NoneType"),
    ],
)
def test_a_loss_or_quality_that_is_no_number_is_told(pair, loss, told):
    teacher, student = pair
    data = Images(teacher)
    with pytest.raises(TrainingError, match="The loss must be one number.*" + told):
        tune(student, teacher, data, settings=ONCE, loss=loss)
    with pytest.raises(TrainingError, match="The quality must be one number.*" + told):
        tune(student, teacher, data, settings=ONCE, validation=data, quality=loss)


@pytest.mark.parametrize("mode", [7, -5])
def test_a_class_mode_that_is_none_of_the_output_is_told(pair, mode):
    teacher, student = pair
    with pytest.raises(InputError, match=f"class_mode={mode}.*shape"):
        tune(student, teacher, Images(teacher), settings=replace(ONCE, class_mode=mode))


@pytest.mark.parametrize("reestimate", [0, 50])
def test_a_batch_of_one_that_batchnorm_refuses_is_told(reestimate):
    teacher = nn.Sequential(
        nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 32), nn.Linear(32, 4)
    ).eval()
    inputs = torch.randn(17, 16)
    student = tenfold.apply(
        tenfold.plan(teacher, inputs[:1], "params=0.6", metric="frobenius"), teacher
    )
    rows = DataLoader(TensorDataset(inputs), batch_size=8)
    with pytest.raises(TrainingError, match=r"two inputs or more.*drop_last"):
        tune(student, teacher, rows, settings=replace(ONCE, reestimate=reestimate))
    tune(student, teacher, rows, settings=replace(ONCE, reestimate=0, batchnorm="frozen"))


def changed(change):
    """Batches whose labels are others."""

    def make(teacher):
        return [(images, change(labels)) for images, labels in Images(teacher)]

    return make


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (changed(lambda y: y + 90), r"classes from 0 to \d+, or -100.*found 9\d"),
        (changed(lambda y: -y - 1), r"classes from 0 to \d+, or -100.*found -\d"),
        (changed(lambda y: y[:, None]), r"output's shape without its class_mode=1"),
        (changed(lambda y: y[:3]), r"output's shape without its class_mode=1"),
        (lambda t: [x.double() for x, _ in Images(t)], "must run through the model.*at step 1"),
        (lambda t: [x[:, :2] for x, _ in Images(t)], "must run through the model.*at step 1"),
        (lambda t: [{"path": 1, "x": x} for x, _ in Images(t)], "TypeError.*unexpected keyword"),
    ],
    ids=["high", "low", "shape", "count", "double", "channels", "keys"],
)
def test_a_batch_that_does_not_fit_is_one_sentence(pair, make, told):
    teacher, student = pair
    with pytest.raises((InputError, TrainingError), match=told) as caught:
        tune(student, teacher, make(teacher), settings=replace(ONCE, reestimate=0))
    assert "\n" not in str(caught.value)


def test_small_whole_numbers_are_labels_as_well():
    logits = torch.full((2, 200), -9.0)
    logits[0, 156], logits[1, 3] = 9.0, 9.0
    labels = torch.tensor([156, 3], dtype=torch.uint8)  # 156 is -100 in eight bits
    assert hits_of(logits, labels, 1) == (2.0, 2)
    losses = [
        classification_loss(logits, kind, 1, lambda value: value)
        for kind in (labels, labels.long())
    ]
    assert torch.equal(*losses)


def test_accuracy_of_impossible_labels_is_refused(pair):
    teacher, student = pair
    held = changed(lambda y: y + 90)(teacher)
    with pytest.raises(InputError, match="classes from 0"):
        tune(student, teacher, Images(teacher), settings=ONCE, validation=held)
    with pytest.raises(InputError, match="two or more"):
        hits_of(torch.zeros(4, 1), torch.zeros(4, dtype=torch.long), 1)


def test_a_loss_without_a_gradient_is_told(pair):
    teacher, student = pair
    for loss in (lambda output, batch: 3.0, lambda output, batch: output.detach().mean()):
        with pytest.raises(InputError, match="must have a gradient"):
            tune(student, teacher, Images(teacher), settings=ONCE, loss=loss)


def test_a_frozen_batchnorm_keeps_its_statistics(pair):
    teacher, student = (copy.deepcopy(model) for model in pair)
    for model in (teacher, student):
        model.block[1].requires_grad_(False)
    tuned = tune(student, teacher, Images(teacher), settings=replace(ONCE, reestimate=2))
    for name, buffer in student.block[1].named_buffers():
        assert torch.equal(buffer, tuned.model.block[1].get_buffer(name))


def test_changes_are_made_among_the_settings_for_the_data(pair):
    teacher, _ = pair
    asked = {"data": Images(teacher).images, "metric": "frobenius", "epochs": 0, "seed": 7}
    found = tenfold.compress(teacher, example(), "params=0.5", tuning={"temperature": 4}, **asked)
    told = found.plan.tuning
    assert (told["temperature"], told["batchnorm"], told["rate"]) == (4.0, "frozen", 5e-4)
    assert (told["seed"], told["epochs"]) == (7, 0)
    with pytest.raises(InputError, match=r"known settings.*'?heat'?"):
        tenfold.compress(teacher, example(), "params=0.5", tuning={"heat": 4}, **asked)


@pytest.mark.parametrize(
    ("name", "value"), [("epochs", 2.0), ("epochs", "3"), ("accumulate", 1.5), ("rate", "fast")]
)
def test_settings_of_other_types_are_told(name, value):
    with pytest.raises(InputError, match=f"{name} must be a"):
        TuneSettings(**{name: value})


def test_numbers_of_numpy_are_numbers():
    settings = TuneSettings(epochs=np.int64(3), rate=np.float32(0.5))
    assert json.dumps([settings.epochs, settings.rate]) == "[3, 0.5]"


def test_functions_that_would_not_be_called_are_told(pair):
    teacher, student = pair
    data, score = Images(teacher), lambda output, batch: output.mean()
    with pytest.raises(InputError, match="A loss needs a weight, but found task=0"):
        tune(student, teacher, data.images, loss=score)
    with pytest.raises(InputError, match="A quality needs batches"):
        tune(student, teacher, data, settings=ONCE, quality=score)
