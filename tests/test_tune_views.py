"""The mean of the original's answers to several views of an image teaches, where that has a
meaning."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from tenfold.data.augment import view
from tenfold.data.batches import read_batch
from tenfold.errors import InputError
from tenfold.training import TuneSettings, tune
from tenfold.training.losses.logits import divergence
from tenfold.training.objective import Objective
from tests.tuning import SETTINGS, Images, make_pair


def loss_of(student, teacher, images, **settings):
    found = Objective(student, teacher, replace(TuneSettings(task=0.0), **settings), None)
    with torch.no_grad():
        return float(found(read_batch(images, torch.device("cpu"))))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_mean_of_the_answers_teaches(count):
    teacher, student = make_pair()
    teacher.eval(), student.eval()
    images = torch.randn(3, 3, 16, 16)
    with torch.no_grad():
        wanted = torch.stack([teacher(view(images, k)) for k in range(count)]).mean(0)
        loss = divergence(student(images), wanted, 2.0, 1)
    assert loss_of(student, teacher, images, views=count, features=0.0) == pytest.approx(
        float(loss)
    )
    assert float(loss) > 0


def test_features_are_those_of_the_image_itself():
    teacher, student = make_pair()
    teacher.eval(), student.eval()
    images = torch.randn(3, 3, 16, 16)
    features = [loss_of(student, teacher, images, views=k, logits=0.0) for k in (1, 4)]
    assert features[0] == features[1] > 0


def test_more_is_learned_than_one_answer_tells():
    """Of an original that looks at one half of an image, the mirror image tells the other."""

    class Left(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(32, 2)

        def forward(self, x):
            return self.net(x[..., :4].flatten(1))

    torch.manual_seed(0)
    teacher, student = Left().eval(), nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    images = torch.randn(64, 1, 8, 8)
    settings = TuneSettings(epochs=40, rate=0.02, task=0.0, views=2, features=0.0)
    tuned = tune(student, teacher, [images] * 4, settings=settings).model
    with torch.no_grad():
        mean = (teacher(images) + teacher(images.flip(3))) / 2
        both, one = (divergence(tuned(images), t, 1.0, 1) for t in (mean, teacher(images)))
    assert both < 0.1 * one


@pytest.mark.parametrize(
    ("network", "inputs", "found"),
    [
        (nn.Linear(4, 2), torch.randn(6, 4), "inputs of other kinds"),
        (nn.Conv2d(3, 2, 1), torch.randn(6, 3, 8, 8), "an output of shape (6, 2, 8, 8)"),
    ],
)
def test_views_need_images_with_one_answer_each(network, inputs, found):
    with pytest.raises(InputError, match="views=1") as caught:
        tune(network, network, [inputs], settings=TuneSettings(epochs=1, task=0.0, views=2))
    assert found in str(caught.value)


@pytest.mark.parametrize("count", [0, 11])
def test_there_are_one_to_ten_views(count):
    with pytest.raises(InputError, match="views must be 1 to 10"):
        TuneSettings(views=count)


def test_training_goes_on_with_labels_too():
    teacher, student = make_pair()
    tuned = tune(student, teacher, Images(teacher), settings=replace(SETTINGS, views=2))
    assert tuned.history[-1]["loss"] < tuned.history[0]["loss"]
