"""A small fine-tuning that several tests share."""

from __future__ import annotations

import math

import torch
from torch import nn

import tenfold
from tenfold.training import TuneSettings
from tests.networks import example, tiny_resnet

SETTINGS = TuneSettings(epochs=3, rate=3e-3, reestimate=2, every=0.0)


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


def make_pair(dropout=0.0):
    """A teacher whose classes differ, and its compressed student."""
    teacher = tiny_resnet()
    if dropout:
        teacher.down = nn.Sequential(teacher.down, nn.Dropout(dropout))
    with torch.no_grad():
        teacher.head.weight.mul_(20)
    plan = tenfold.plan(
        teacher,
        example(),
        "params=0.4",
        metric="frobenius",
        formats=["cp", "tucker"],
    )
    return teacher.eval(), tenfold.apply(plan, teacher)


def same(a, b):
    """Whether two models have equal weights, bit for bit."""
    return all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())
