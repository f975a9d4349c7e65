"""Fine-tuning for any task and with any kind of batch; with few inputs, and with none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import tenfold
from tenfold.data.batches import part_of, rows_of
from tenfold.errors import InputError
from tenfold.training import Blends, TuneSettings, tune
from tenfold.training.ema import Ema
from tenfold.training.score import accuracy, mean_quality
from tests.networks import example
from tests.tuning import SETTINGS, Images, make_pair, same

QUICK = TuneSettings(epochs=8, rate=1e-2, reestimate=0, warmup=0.0)


def seeded(model):
    for index, p in enumerate(model.parameters()):
        generator = torch.Generator().manual_seed(index)
        p.data = torch.randn(p.shape, generator=generator) / max(1, p[0].numel()) ** 0.5
    return model.eval()


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(9))


def halved(teacher, shown):
    plan = tenfold.plan(teacher, shown, "params=0.6", metric="frobenius", formats=["svd", "cp"])
    return tenfold.apply(plan, teacher)


def segmenter():
    return seeded(
        nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 4, 3, padding=1))
    )


def test_segmentation():
    teacher, images = segmenter(), noise(8, 3, 10, 10)
    labels = teacher(images).argmax(1)
    labels[:, 0] = -100  # a border that does not count
    data = list(zip(images.split(4), labels.split(4)))
    student = halved(teacher, images[:1])
    tuned = tune(student, teacher, data, settings=QUICK, validation=data)
    assert tuned.history[-1]["score"] > accuracy(student, data)
    assert accuracy(teacher, data) == 100


def test_a_quality_of_ones_own_chooses_the_epoch():
    teacher, images = segmenter(), noise(8, 3, 10, 10)
    data = list(zip(images.split(3), teacher(images).argmax(1).split(3)))

    def overlap(output, batch):
        found, wanted = output.argmax(1) == 0, batch[1] == 0
        return (found & wanted).sum() / (found | wanted).sum().clamp_min(1)

    student = halved(teacher, images[:1])
    tuned = tune(student, teacher, data, settings=QUICK, validation=data, quality=overlap)
    first = mean_quality(student, data, overlap)
    scores = [first, *(entry["score"] for entry in tuned.history)]
    assert mean_quality(tuned.model, data, overlap) == pytest.approx(max(scores))
    assert tuned.best_epoch == scores.index(max(scores))


def test_regression():
    x = noise(32, 12)
    teacher = seeded(nn.Sequential(nn.Linear(12, 24), nn.Tanh(), nn.Linear(24, 3)))
    with torch.no_grad():
        data = [(x, teacher(x))]
    student = halved(teacher, x[:1])
    settings = replace(QUICK, class_mode=None, epochs=60)

    def loss(output, batch):
        return F.mse_loss(output, batch[1])

    tuned = tune(student, teacher, data, settings=settings, loss=loss, validation=data)
    assert loss(tuned.model(x), data[0]) < 0.5 * loss(student(x), data[0])


class Tagger(nn.Module):
    """Classes a time step, from keyword arguments, in an object with logits."""

    @dataclass
    class Output:
        logits: torch.Tensor

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(8, 24)
        self.head = nn.Linear(24, 6)

    def forward(self, features, attention_mask=None):
        hidden = torch.tanh(self.body(features)) * attention_mask.unsqueeze(-1)
        return Tagger.Output(self.head(hidden))


def test_sequences_in_mappings():
    teacher, features = seeded(Tagger()), noise(6, 5, 8)
    inputs = {"features": features, "attention_mask": torch.ones(6, 5)}
    labels = teacher(**inputs).logits.argmax(-1)
    labels[:, -1] = -100
    data = [{**inputs, "labels": labels}] * 3
    student = halved(teacher, inputs)
    settings = replace(QUICK, class_mode=-1)
    tuned = tune(student, teacher, data, settings=settings, validation=data)
    assert tuned.history[-1]["score"] == accuracy(tuned.model, data, -1)
    assert accuracy(tuned.model, data, -1) >= accuracy(student, data, -1)
    assert accuracy(teacher, data, -1) == 100


def test_labels_need_a_class_mode():
    teacher, images = segmenter(), noise(4, 3, 10, 10)
    data = [(images, torch.zeros(4, 10, 10, dtype=torch.long))]
    with pytest.raises(InputError, match="class_mode=None"):
        tune(halved(teacher, images[:1]), teacher, data, settings=replace(QUICK, class_mode=None))


def distance(model, teacher, images):
    with torch.no_grad():
        return float((model(images).softmax(1) - teacher(images).softmax(1)).square().sum())


def test_a_hundred_inputs_in_one_tensor_are_enough():
    teacher, student = make_pair()
    images = noise(100, 3, 12, 12)
    result = tenfold.compress(
        teacher,
        example(),
        "params=0.4",
        data=images,
        epochs=1,
        metric="frobenius",
        formats=["cp", "tucker"],
    )
    unseen = torch.randn(100, 3, 12, 12, generator=torch.Generator().manual_seed(10))
    assert distance(result.model, teacher, unseen) < distance(student, teacher, unseen)
    assert result.plan.tuning["batchnorm"] == "frozen"


def test_without_data_the_inputs_are_made():
    teacher, student = make_pair()
    result = tenfold.compress(
        teacher,
        example(),
        "params=0.4",
        data="synthetic:64",
        epochs=1,
        metric="frobenius",
        formats=["cp", "tucker"],
    )
    unseen = noise(100, 3, 12, 12)
    assert distance(result.model, teacher, unseen) < distance(student, teacher, unseen)


def test_without_statistics_there_are_no_synthetic_inputs():
    teacher = segmenter()
    with pytest.raises(InputError, match="100 unlabelled inputs"):
        tenfold.compress(teacher, noise(1, 3, 8, 8), "params=0.6", data="synthetic")


@pytest.mark.parametrize("inputs", [torch.zeros(0, 3), torch.zeros(4), torch.zeros(4, 3).long()])
def test_what_is_no_tensor_of_inputs_is_told(inputs):
    with pytest.raises(InputError, match="along its first mode"):
        Blends(inputs)


def test_an_epoch_of_few_inputs_has_many_batches():
    found = list(Blends(noise(10, 3, 4, 4), batch=64, steps=7))
    assert [x.shape for x in found] == [(10, 3, 4, 4)] * 7
    assert not torch.equal(found[0], found[1])


@pytest.mark.parametrize(
    "changes",
    [
        {"ema": 0.9},
        {"channels_last": True},
        {"precision": "fp16"},
        {"precision": "auto"},
        {"accumulate": 4},
    ],
)
def test_each_way_of_training_helps_and_resumes(tmp_path, changes):
    teacher, student = make_pair()
    settings = replace(SETTINGS, epochs=6, **changes)
    whole = tune(student, teacher, Images(teacher), settings=settings)
    with pytest.raises(tenfold.errors.TrainingError):
        tune(student, teacher, Images(teacher, 15), settings=settings, checkpoint=tmp_path)
    tuned = tune(student, teacher, Images(teacher), settings=settings, checkpoint=tmp_path)
    assert same(tuned.model, whole.model)
    assert tuned.history == whole.history
    assert tuned.history[-1]["loss"] < tuned.history[0]["loss"]
    assert {p.dtype for p in tuned.model.parameters()} == {torch.float32}


def test_accumulated_gradients_are_those_of_the_whole_batch():
    teacher, student = make_pair()
    images = noise(8, 3, 12, 12)
    settings = replace(SETTINGS, epochs=1, batchnorm="frozen", features=0.0)
    whole = tune(student, teacher, [images], settings=settings)
    parts = tune(student, teacher, list(images.split(2)), settings=replace(settings, accumulate=4))
    for a, b in zip(whole.model.parameters(), parts.model.parameters()):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_the_average_of_constant_weights_is_the_weights():
    model = nn.Linear(3, 2)
    before = model.weight.detach().clone()
    ema = Ema(model, 0.5)
    ema.update()
    model.weight.data.zero_()
    with ema.applied():
        assert torch.equal(model.weight, before)
    assert not model.weight.any()


def test_a_batch_is_cut_into_parts():
    batch = {"x": torch.arange(10).view(5, 2), "mask": torch.ones(5), "scale": torch.tensor(2.0)}
    parts, shares = zip(*(part_of(batch, k, 2) for k in range(2)))
    assert torch.equal(torch.cat([p["x"] for p in parts]), batch["x"])
    assert [rows_of(p) for p in parts] == [2, 3]
    assert shares == (0.8, 1.2)
    assert all(p["scale"] == 2.0 for p in parts)
    parts, shares = zip(*(part_of([torch.ones(1, 3)], k, 2) for k in range(2)))
    assert [rows_of(p) for p in parts] == [1, 1]
    assert shares == (0.0, 2.0)
