"""Train the compact network on CIFAR-10's training images less the held-out ones.

    TENFOLD_DATA=folder python benchmarks/train_compact_network.py --work build

All settings were fixed beforehand. A checkpoint is kept every epoch in ``--work``, so an
interrupted run goes on where it stopped. Writes the weights as float16 beside its JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

import cifar
from compact import WEIGHTS, CompactNetwork, load_compact
from tenfold.tune.score import accuracy

PAD = 4


def augment(images: Tensor) -> Tensor:
    """Mirror half of the images and shift each by up to four pixels."""
    n, _, height, width = images.shape
    flip = torch.rand(n, 1, 1, 1) < 0.5
    images = F.pad(torch.where(flip, images.flip(-1), images), [PAD] * 4)
    rows = torch.randint(0, 2 * PAD + 1, (n, 1)) + torch.arange(height)
    columns = torch.randint(0, 2 * PAD + 1, (n, 1)) + torch.arange(width)
    return images[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None]].movedim(
        -1, 1
    )


def train(model: nn.Module, pixels: Tensor, labels: Tensor, args: argparse.Namespace) -> None:
    """One-cycle SGD (bfloat16 is slower here: depthwise), a checkpoint an epoch."""
    steps = len(pixels) // args.batch
    optimiser = torch.optim.SGD(
        model.parameters(), args.lr, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, args.lr, total_steps=args.epochs * steps, pct_start=0.2
    )
    kept = args.work / "compact_training.pt"
    first = 0
    if kept.exists():
        state = torch.load(kept, weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        first = state["epoch"]
    for epoch in range(first, args.epochs):
        torch.manual_seed(args.seed + epoch)
        began, total = time.perf_counter(), 0.0
        model.train()
        for index in torch.randperm(len(pixels))[: steps * args.batch].split(args.batch):
            x = augment(cifar.normalise(pixels[index]))
            found = model(x.contiguous(memory_format=torch.channels_last))
            loss = F.cross_entropy(found, labels[index], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        spent = time.perf_counter() - began
        print(f"epoch {epoch + 1}: loss {total / steps:.4f}, {spent:.0f} s", flush=True)
        state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(),
                 "schedule": schedule.state_dict(), "epoch": epoch + 1}  # fmt: skip
        part = kept.with_suffix(".part")
        torch.save(state, part)
        part.replace(kept)


def main() -> None:
    """Train, write, judge on the held-out images and once on the test images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build"))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.work.mkdir(exist_ok=True, parents=True)
    data = cifar.read_cifar()
    held, rest = cifar.split_indices()
    torch.manual_seed(args.seed)
    model = CompactNetwork().to(memory_format=torch.channels_last)
    train(model, data["train_x"][rest], data["train_y"][rest], args)
    WEIGHTS.parent.mkdir(exist_ok=True)
    state = model.state_dict().items()
    held_batches = cifar.batches(data["train_x"][held], data["train_y"][held])
    save_file({k: v.half().contiguous() if v.ndim > 1 else v for k, v in state}, WEIGHTS)
    model = load_compact()
    result = {
        "command": "python benchmarks/train_compact_network.py",
        "held_accuracy": accuracy(model, held_batches),
        "test_accuracy": accuracy(model, cifar.batches(data["test_x"], data["test_y"])),
        "parameters": sum(p.numel() for p in model.parameters()),
        "bytes": sum(v.nbytes for v in load_file(WEIGHTS).values()),
        "torch": torch.__version__,
        "settings": {k: v for k, v in vars(args).items() if k != "work"},
    }  # fmt: skip
    out = WEIGHTS.parent / "train_compact_network.json"
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
