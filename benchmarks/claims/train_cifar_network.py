"""Train a network on CIFAR-10 (the JPEG copy): the compact one, VGG-16, or a second ResNet-20.

    TENFOLD_DATA=folder python -m benchmarks.claims.train_cifar_network --network vgg16 --epochs 8

All settings were fixed beforehand. The compact network and ResNet-20 never see their held-out
training images; VGG-16 learns from all 50,000. An interrupted run goes on at its last epoch, from
a checkpoint in ``training.work`` of the results. Writes the weights as float16, and
``train_<network>_network.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.networks import cifar, compact, resnet, tiny, vgg
from benchmarks.networks.augmented import BATCH, Augmented
from benchmarks.networks.training_state import WORK, keep, resume
from benchmarks.networks.weights import write_half
from benchmarks.result_files import write_json
from tenfold.training.score import accuracy


@dataclass(frozen=True)
class Recipe:
    """How one network is trained; bfloat16 is slower where layers are depthwise."""

    make: Callable[[], nn.Module]
    weights: str  # a file in the results
    rate: float
    bf16: bool
    held_out: int
    smoothing: float = 0.05  # of the labels
    read: Callable[[], dict[str, Tensor]] = cifar.read_cifar


RECIPES = {
    "compact": Recipe(compact.CompactNetwork, compact.WEIGHTS, 0.1, bf16=False, held_out=2500),
    "vgg16": Recipe(vgg.Vgg16, vgg.WEIGHTS, 0.05, bf16=True, held_out=0),
    "resnet20": Recipe(
        resnet.ResNet, resnet.APART, 0.1, bf16=True, held_out=cifar.HELD, smoothing=0.0
    ),
    "tiny": Recipe(
        tiny.TinyNetwork, "tiny.safetensors", 0.1, bf16=True, held_out=8, read=tiny.read_images
    ),
}
QUICK = {"network": "tiny", "epochs": 1, "batch": 8}


def train(model: nn.Module, data: Augmented, recipe: Recipe, arguments: argparse.Namespace) -> None:
    """One-cycle SGD, a checkpoint an epoch."""
    optimiser = torch.optim.SGD(
        model.parameters(), recipe.rate, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.rate, total_steps=arguments.epochs * len(data), pct_start=0.2
    )
    parts = {"model": model, "optimiser": optimiser, "schedule": schedule}
    checkpoint = arguments.results / WORK / f"{arguments.network}.pt"
    for epoch in range(resume(parts, checkpoint), arguments.epochs):
        torch.manual_seed(arguments.seed + epoch)
        began, total = time.perf_counter(), 0.0
        model.train()
        for images, labels in data:
            loss = loss_of(model, images, labels, recipe)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        seconds = time.perf_counter() - began
        print(f"epoch {epoch + 1}: loss {total / len(data):.4f}, {seconds:.0f} s", flush=True)
        keep(parts, checkpoint, epoch + 1)


def loss_of(model: nn.Module, images: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Cross-entropy of a batch."""
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bf16):
        output = model(images)
    return F.cross_entropy(output.float(), labels, label_smoothing=recipe.smoothing)


def judge(model: nn.Module, recipe: Recipe, images: dict[str, Tensor]) -> dict[str, float]:
    """Accuracy on the test images and, where there are some, on the held-out ones."""
    test = accuracy(model, cifar.batches(images["test_x"], images["test_y"]))
    if not recipe.held_out:
        return {"test_accuracy": test}
    held, _ = cifar.split_indices(recipe.held_out, len(images["train_x"]))
    batches = cifar.batches(images["train_x"][held], images["train_y"][held])
    return {"test_accuracy": test, "held_accuracy": accuracy(model, batches)}


def reload(recipe: Recipe, weights: Path) -> nn.Module:
    """The network as others will load it: half precision becomes single."""
    model = recipe.make()
    model.load_state_dict(load_file(weights))
    return model.eval()


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--network", choices=tuple(RECIPES), default="vgg16")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--seed", type=int, default=0)
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Train, write, judge on the held-out images and once on the test images."""
    arguments = arguments_of(argv)
    name, recipe = arguments.network, RECIPES[arguments.network]
    images = recipe.read()
    _, rest = cifar.split_indices(recipe.held_out, len(images["train_x"]))
    pixels, labels = images["train_x"][rest], images["train_y"][rest]
    torch.manual_seed(arguments.seed)
    model = recipe.make().to(memory_format=torch.channels_last)
    train(model, Augmented.of(pixels, labels, batch=arguments.batch), recipe, arguments)
    weights = arguments.results / recipe.weights
    write_half(weights, model)
    model = reload(recipe, weights)
    result: dict[str, Any] = {
        "command": f"python -m benchmarks.claims.train_cifar_network --network {name}"
        f" --epochs {arguments.epochs}",
        **judge(model, recipe, images),
        "parameters": sum(p.numel() for p in model.parameters()),
        "bytes": sum(v.nbytes for v in load_file(weights).values()),
        "torch": torch.__version__,
        "settings": {
            "epochs": arguments.epochs,
            "rate": recipe.rate,
            "seed": arguments.seed,
        },
    }
    write_json(arguments.results / f"train_{name}_network.json", result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
