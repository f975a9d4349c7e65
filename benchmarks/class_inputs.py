"""Made inputs of a class each, and what training on them alone brings back at 5x.

    TENFOLD_DATA=folder python benchmarks/class_inputs.py --threads 1    # 20 minutes of a core

DeepInversion (Yin et al. 2020) with its class targets: ``tenfold.sense`` makes inputs that fit the
BatchNorm statistics alone, which is better for sensing; to train on, inputs that the original is
sure about may carry more. Judged on 5,000 training images; prints after every epoch.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import cifar
import tenfold
from judged import judged
from tenfold.sense.synthesise import RATE, frozen, mismatch, smooth_noise
from tenfold.tune import GENTLE, Blends, tune

BATCH = 256
SETTINGS = replace(
    GENTLE, precision="auto", channels_last=True, features=0.0, temperature=4.0, epochs=4
)


def moved(x: Tensor) -> Tensor:
    """By two pixels at most, mirrored or not."""
    down, across = torch.randint(-2, 3, (2,)).tolist()
    x = torch.roll(x, (down, across), (2, 3))
    return x.flip(3) if torch.rand(()) < 0.5 else x


def variation(x: Tensor) -> Tensor:
    """Mean difference between neighbours, along both spatial modes."""
    return x.diff(dim=2).abs().mean() + x.diff(dim=3).abs().mean()


def made(model: nn.Module, steps: int, classes: float, smooth: float) -> Tensor:
    """``(256, 3, 32, 32)``; ``classes`` and ``smooth`` weigh cross-entropy and variation beside the
    mismatch of the statistics."""
    x = smooth_noise((BATCH, 3, 32, 32)).requires_grad_()
    labels = torch.randint(10, (BATCH,))
    optimiser = torch.optim.Adam([x], lr=RATE, betas=(0.5, 0.9))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, eta_min=RATE / 10)
    with frozen(model), torch.enable_grad():
        for _ in range(steps):
            optimiser.zero_grad()
            seen = moved(x)
            loss = mismatch(model, seen) + classes * F.cross_entropy(model(seen), labels)
            (loss + smooth * variation(x)).backward()
            optimiser.step()
            schedule.step()
    return x.detach()


def main() -> None:
    """Compress, make, train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--inputs", type=int, default=1024)
    parser.add_argument("--classes", type=float, default=0.05, help="weight; 0 for none")
    parser.add_argument("--smooth", type=float, default=0.05, help="weight of total variation")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model, kept = cifar.resnet20(), cifar.shown("train", 5000)
    budget = {"params": 1 / 5}
    small = tenfold.compress(model, cifar.example(), budget, refine="end-to-end").model
    print("plan alone", judged(small, kept), flush=True)
    torch.manual_seed(3)
    counted = (arguments.steps, arguments.classes, arguments.smooth)
    inputs = torch.cat([made(model, *counted) for _ in range(arguments.inputs // BATCH)])

    def score(network: nn.Module) -> float:
        found = judged(network, kept)
        print(found, flush=True)
        return found

    tune(small, model, Blends(inputs, steps=300), settings=SETTINGS, score=score)


if __name__ == "__main__":
    main()
