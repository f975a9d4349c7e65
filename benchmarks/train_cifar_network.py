"""Train a network on CIFAR-10 (the JPEG copy): the compact one, VGG-16, or a second ResNet-20.

    TENFOLD_DATA=folder python benchmarks/train_cifar_network.py --network vgg16 --epochs 8

All settings were fixed beforehand. The compact network and ResNet-20 never see their held-out
training images; VGG-16 learns from all 50,000. A checkpoint is kept every epoch in ``--work``, so
an interrupted run goes on where it stopped. Writes the weights as float16, and
``results/train_<network>_network.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

import cifar
import compact
import vgg
from augmented import Augmented
from tenfold.training.score import accuracy
from training_state import keep, resume
from weights import write_half
from written import RESULTS, write_json


@dataclass(frozen=True)
class Recipe:
    """How one network is trained; bfloat16 is slower where layers are depthwise."""

    make: Callable[[], nn.Module]
    load: Callable[[], nn.Module]
    weights: Path
    rate: float
    bf16: bool
    held_out: int
    smoothing: float = 0.05  # of the labels


RECIPES = {
    "compact": Recipe(
        compact.CompactNetwork,
        compact.load_compact,
        compact.WEIGHTS,
        rate=0.1,
        bf16=False,
        held_out=2500,
    ),
    "vgg16": Recipe(vgg.Vgg16, vgg.load_vgg16, vgg.WEIGHTS, rate=0.05, bf16=True, held_out=0),
    "resnet20": Recipe(
        cifar.ResNet,
        cifar.load_apart,
        cifar.APART,
        rate=0.1,
        bf16=True,
        held_out=cifar.HELD,
        smoothing=0.0,
    ),
}


def train(model: nn.Module, data: Augmented, recipe: Recipe, args: argparse.Namespace) -> None:
    """One-cycle SGD, a checkpoint an epoch."""
    optimiser = torch.optim.SGD(
        model.parameters(), recipe.rate, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.rate, total_steps=args.epochs * len(data), pct_start=0.2
    )
    parts = {"model": model, "optimiser": optimiser, "schedule": schedule}
    kept = args.work / f"{args.network}_training.pt"
    first = resume(parts, kept)
    for epoch in range(first, args.epochs):
        torch.manual_seed(args.seed + epoch)
        began, total = time.perf_counter(), 0.0
        model.train()
        for images, labels in data:
            loss = loss_of(model, images, labels, recipe)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        spent = time.perf_counter() - began
        print(f"epoch {epoch + 1}: loss {total / len(data):.4f}, {spent:.0f} s", flush=True)
        keep(parts, kept, epoch + 1)


def loss_of(model: nn.Module, images: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Cross-entropy of a batch."""
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bf16):
        found = model(images)
    return F.cross_entropy(found.float(), labels, label_smoothing=recipe.smoothing)


def main() -> None:
    """Train, write, judge on the held-out images and once on the test images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=tuple(RECIPES), required=True)
    parser.add_argument("--work", type=Path, default=Path("build"))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.work.mkdir(exist_ok=True, parents=True)
    recipe, raw = RECIPES[args.network], cifar.read_cifar()
    held, rest = cifar.split_indices(recipe.held_out)
    torch.manual_seed(args.seed)
    model = recipe.make().to(memory_format=torch.channels_last)
    train(model, Augmented.of(raw["train_x"][rest], raw["train_y"][rest]), recipe, args)
    write_half(recipe.weights, model)
    model = recipe.load()
    result = {
        "command": f"python benchmarks/train_cifar_network.py --network {args.network}"
        f" --epochs {args.epochs}",
        "test_accuracy": accuracy(model, cifar.batches(raw["test_x"], raw["test_y"])),
        "parameters": sum(p.numel() for p in model.parameters()),
        "bytes": sum(v.nbytes for v in load_file(recipe.weights).values()),
        "torch": torch.__version__,
        "settings": {"epochs": args.epochs, "rate": recipe.rate, "seed": args.seed},
    }
    if recipe.held_out:
        judge = cifar.batches(raw["train_x"][held], raw["train_y"][held])
        result["held_accuracy"] = accuracy(model, judge)
    write_json(RESULTS / f"train_{args.network}_network.json", result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
