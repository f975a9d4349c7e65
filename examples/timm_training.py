"""Fine-tune a compressed timm model by timm's own recipe: Mixup, AdamW, cosine, averaged weights.

    pip install 'tenfold[timm]'
    python examples/timm_training.py --out small

A model of timm's tests with random weights and random images stand for yours. timm's ``train.py``
takes the compressed network as well: it is an ordinary module, so put it where the script calls
``create_model``, and the original where it makes its loss.
"""

from __future__ import annotations

import argparse
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import timm
import torch
from timm.data import Mixup
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import tenfold

NAME, CLASSES, SIZE, IMAGES = "test_resnet", 8, 32, 32


def make_teacher() -> nn.Module:
    """Your trained network, in evaluation mode."""
    torch.manual_seed(0)
    return timm.create_model(NAME, num_classes=CLASSES).eval()


def make_loader() -> DataLoader[tuple[Tensor, ...]]:
    """Your images; ``timm.data.create_loader`` makes batches of the same form."""
    random = torch.Generator().manual_seed(0)
    images = torch.randn(IMAGES, 3, SIZE, SIZE, generator=random)
    labels = torch.randint(CLASSES, (IMAGES,), generator=random)
    return DataLoader(TensorDataset(images, labels), batch_size=16, shuffle=True, generator=random)


def divergence(output: Tensor, answer: Tensor, temperature: float) -> Tensor:
    """``T^2 KL(answer || output)`` of ``(batch, classes)``, softened by the temperature T."""
    soft, goal = (F.log_softmax(x / temperature, dim=-1) for x in (output, answer))
    return F.kl_div(soft, goal, reduction="batchmean", log_target=True) * temperature**2


def train(small: nn.Module, teacher: nn.Module, epochs: int) -> nn.Module:
    """Averaged weights of the compressed network, which the teacher taught on mixed images."""
    loader = make_loader()
    mixup = Mixup(mixup_alpha=0.2, cutmix_alpha=1.0, num_classes=CLASSES)
    optimiser = create_optimizer_v2(small, opt="adamw", lr=1e-3, weight_decay=0.01)
    schedule, _ = create_scheduler_v2(optimiser, sched="cosine", num_epochs=epochs)
    averaged = ModelEmaV3(small, decay=0.8)
    for epoch in range(epochs):
        small.train()
        for images, labels in loader:
            mixed, _ = mixup(images, labels)  # its labels are the teacher's to give
            with torch.no_grad():
                answer = teacher(mixed)
            loss = divergence(small(mixed), answer, temperature=2.0)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            averaged.update(small)
        schedule.step(epoch + 1)
    return averaged.module.eval()


@torch.no_grad()
def distance(model: nn.Module, teacher: nn.Module) -> float:
    """How far the answers are from the teacher's, on all images."""
    images = torch.cat([images for images, _ in make_loader()])
    return float(divergence(model(images), teacher(images), 1.0))


def main(out: Path, epochs: int = 5) -> tuple[float, float]:
    """Compress, train, save and load again; the distance from the teacher before and after."""
    teacher = make_teacher()
    result = tenfold.compress(teacher, torch.randn(1, 3, SIZE, SIZE), "params=0.5")
    small = train(deepcopy(result.model), teacher, epochs)
    tenfold.save(replace(result, model=small), out)
    before = distance(result.model, teacher)
    after = distance(tenfold.load(out, make_teacher), teacher)
    print(f"{result.report.times_smaller('params'):.1f}x fewer parameters")
    print(f"distance from the teacher: {before:.4f} before, {after:.4f} after")
    return before, after


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("small"))
    main(parser.parse_args().out)
