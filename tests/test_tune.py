"""Fine-tuning: it helps, it resumes without loss, and it stops with a sentence."""

from __future__ import annotations

import importlib
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

import tenfold
from tenfold.errors import InputError, TrainingError
from tenfold.tune import TuneSettings, tune
from tenfold.tune.checkpoint import BEST, FILE
from tenfold.tune.score import accuracy
from tests.networks import example, tiny_resnet

SETTINGS = TuneSettings(epochs=3, rate=3e-3, reestimate=2, every=0.0)


@pytest.fixture(scope="module")
def pair():
    teacher = tiny_resnet()
    with torch.no_grad():
        teacher.head.weight.mul_(20)  # so that classes differ
    plan = tenfold.plan(teacher, example(), "params=0.4")
    return teacher, tenfold.apply(plan, teacher)


class Images:
    """Batches labelled by the teacher, in a new order each epoch; can fail at a given step."""

    def __init__(self, teacher, fail_at=None, labelled=True, spoil=None):
        generator = torch.Generator().manual_seed(5)
        self.images = torch.randn(48, 3, 12, 12, generator=generator)
        with torch.no_grad():
            self.labels = teacher(self.images).argmax(1)
        self.fail_at, self.labelled, self.spoil, self.given = fail_at, labelled, spoil, 0

    def __len__(self):
        return 6

    def __iter__(self):
        for rows in torch.randperm(48).split(8):
            if self.given == self.fail_at:
                raise OSError("the disk has gone")
            images = self.images[rows].clone()
            if self.given == self.spoil:
                images[0, 0, 0, 0] = math.nan
            self.given += 1
            yield (images, self.labels[rows]) if self.labelled else images


def same(a, b):
    return all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())


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
    scores = iter([1.0, 3.0, 9.0, 2.0])
    tuned = tune(student, teacher, Images(teacher), settings=SETTINGS, score=lambda _: next(scores))
    again = tune(student, teacher, Images(teacher), settings=SETTINGS, score=lambda _: 0.0)
    assert tuned.best_epoch == 2
    assert again.best_epoch == 0, "later epochs must be better, not equal"


def test_validation_chooses_by_accuracy(pair):
    teacher, student = pair
    held = [(Images(teacher).images, Images(teacher).labels)]
    tuned = tune(student, teacher, Images(teacher), settings=SETTINGS, validation=held)
    assert accuracy(tuned.model, held) == max(
        accuracy(student, held), *(h["score"] for h in tuned.history)
    )


@pytest.mark.parametrize("fail_at", [2 * 6 + 3, 9, 15])
def test_an_interrupted_run_ends_as_an_uninterrupted_one(pair, tmp_path, fail_at):
    teacher, student = pair
    whole = tune(student, teacher, Images(teacher), settings=SETTINGS)
    with pytest.raises(TrainingError, match="the disk has gone at step"):
        tune(student, teacher, Images(teacher, fail_at), settings=SETTINGS, checkpoint=tmp_path)
    assert (tmp_path / FILE).exists()
    resumed = tune(student, teacher, Images(teacher), settings=SETTINGS, checkpoint=tmp_path)
    assert same(resumed.model, whole.model)
    assert resumed.history == whole.history


def test_a_nan_loss_names_step_and_layer_and_keeps_the_best(pair, tmp_path):
    teacher, student = pair
    looked_at_before = 1 + SETTINGS.reestimate
    data = Images(teacher, spoil=looked_at_before + 4)
    with pytest.raises(TrainingError, match=r"step 5 in stem") as caught:
        tune(student, teacher, data, settings=SETTINGS, checkpoint=tmp_path)
    assert "\n" not in str(caught.value)
    assert (tmp_path / BEST).exists()


def test_a_damaged_checkpoint_is_told(pair, tmp_path):
    teacher, student = pair
    tune(student, teacher, Images(teacher), settings=SETTINGS, checkpoint=tmp_path)
    (tmp_path / FILE).write_bytes(b"\x10\x00rubbish")
    with pytest.raises(InputError, match="damaged"):
        tune(student, teacher, Images(teacher), settings=SETTINGS, checkpoint=tmp_path)


def test_a_resumed_run_must_keep_its_settings(pair, tmp_path):
    teacher, student = pair
    tune(student, teacher, Images(teacher), settings=SETTINGS, checkpoint=tmp_path)
    with pytest.raises(InputError, match="must keep its epochs"):
        tune(
            student, teacher, Images(teacher), settings=replace(SETTINGS, epochs=5),
            checkpoint=tmp_path,
        )  # fmt: skip


def test_a_full_disk_is_told_and_the_last_checkpoint_intact(pair, tmp_path, monkeypatch):
    teacher, student = pair
    tune(student, teacher, Images(teacher), settings=replace(SETTINGS, epochs=1),
         checkpoint=tmp_path)  # fmt: skip
    kept = (tmp_path / FILE).read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    module = importlib.import_module("tenfold.tune.checkpoint")
    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(TrainingError, match="No space left"):
        module.write_state(tmp_path / FILE, {}, {})
    assert (tmp_path / FILE).read_bytes() == kept
    assert not list(tmp_path.glob("*.part"))


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


@pytest.mark.parametrize("bad", [{"epochs": -1}, {"rate": 0.0}, {"rate": math.nan},
                                 {"batchnorm": "maybe"}, {"precision": "int3"}])  # fmt: skip
def test_settings_are_checked(bad):
    with pytest.raises(InputError):
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
