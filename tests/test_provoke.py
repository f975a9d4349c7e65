"""Noise that is changed until a classifier says all its classes."""

from __future__ import annotations

import torch
from torch import nn

import tenfold
from tenfold.data.provoke import plainness, provoke
from tenfold.data.synthesise import smooth_noise
from tenfold.machine.progress import silent
from tenfold.sense.noise import provoked
from tenfold.tasks import read_task

CLASSES = read_task("classes")


def classifier(last: float = 4.0) -> nn.Module:
    """Four classes without BatchNorm, of which noise is mostly one."""
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(2, 12, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(12, 12, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 4),
    )
    with torch.no_grad():
        model[-1].weight.mul_(last)
        model[-1].bias.copy_(torch.tensor([3.0, 0.0, 0.0, 0.0]))
    return model.eval()


def noise(count: int = 8) -> torch.Tensor:
    torch.manual_seed(0)
    return smooth_noise((count, 2, 16, 16))


def test_more_classes_are_said_and_the_size_stays():
    model, x = classifier(), noise()
    changed = provoke(model, x, CLASSES, lambda x: x)
    with torch.no_grad():
        before, after = (float(plainness(model, y, CLASSES)) for y in (x, changed))
    assert after < before - 0.1
    torch.testing.assert_close(changed.std((1, 2, 3)), torch.ones(8))
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_the_network_is_shown_what_the_level_makes_of_it():
    seen = []
    model = classifier()
    model.register_forward_pre_hook(lambda _, x: seen.append(float(x[0].detach().mean())))
    provoke(model, noise(), CLASSES, lambda x: x + 7, steps=1)
    assert all(6 < mean < 8 for mean in seen)


class Deaf(nn.Module):
    """Scores that no gradient comes back from."""

    def forward(self, x):
        return x.mean((2, 3)).detach().round()


def test_noise_stays_where_no_gradient_comes_back():
    x = noise()
    assert torch.equal(provoked(Deaf(), x, 4, CLASSES, lambda x: x, silent), x)


def test_a_plan_says_that_it_was_measured_on_noise_and_apply_makes_the_same(monkeypatch):
    model, x = classifier(), torch.zeros(1, 2, 16, 16)
    monkeypatch.setattr("tenfold.sense.noise.MOST", 16)
    plan = tenfold.plan(model, x, "params=0.6", formats=("svd",), task="classes")
    assert (plan.origin, plan.task) == ("noise", "classes:1")
    one, other = (tenfold.apply(plan, model).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
