"""Inputs of one classifier, made of every class where one costs next to nothing: at its own input.

Inputs of the whole network that were made without labels, and a few real ones, lack most classes of
a wide classifier. A classifier's own input is a row of features, and the direction of a class in
them is its weight: noise as large as a part of what is observed moves along it until the class has
nearly all of the probability. Less noise leaves more of the class, which is what has to be kept.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tenfold.network.call import call

SURE = 0.98  # probability of the class, where a row is left as it is
SPREAD = 0.25  # of the mean and the deviation that are observed
GAIN = 1.0  # by which a step raises the score of the class, at most
STEPS = 50


@torch.no_grad()
def class_features(
    layer: nn.Module, weight: Tensor, observed: Tensor, each: int, generator: torch.Generator
) -> Tensor:
    """``(each * classes, n)`` inputs of a classifier, ``each`` of every class in turn.

    ``weight`` is ``(classes, n)``; ``observed`` ``(rows, n)`` says how large features are, and
    that they are never below some number, as after a ReLU.
    """
    classes, n = weight.shape
    goal = torch.arange(classes, device=weight.device).repeat(each)
    noise = torch.randn(len(goal), n, generator=generator).to(weight)
    spread, low = SPREAD * observed.std(0).square().mean().sqrt(), observed.min()
    x = (SPREAD * observed.mean() + spread * noise).clamp_min(low)
    for _ in range(STEPS):
        shares = call(layer, x).softmax(1)
        unsure = (shares.gather(1, goal[:, None])[:, 0] < SURE).nonzero()[:, 0]
        if not len(unsure):
            break
        uphill = weight[goal[unsure]] - shares[unsure] @ weight
        length = uphill.norm(dim=1, keepdim=True) * weight[goal[unsure]].norm(dim=1, keepdim=True)
        x[unsure] = (x[unsure] + GAIN * uphill / length.clamp_min(1e-12)).clamp_min(low)
    return x
