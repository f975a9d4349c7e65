"""Train the embedded network on Fashion-MNIST and write the package's embedded assets.

    python benchmarks/train_demo_network.py --data /usr/share/datasets/fashion-mnist

The folder is what Debian's package ``dataset-fashion-mnist`` installs. The network learns from
50,000 training images; the other 10,000 are embedded, so that what comes with the package to
recover accuracy with is new to it, as a user's held-out data would be: a network knows what it
was trained on by heart, and then neither its outputs nor the labels say much. All settings were
fixed beforehand; the test images are looked at once, at the end. A checkpoint is kept every
epoch in ``--work``, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

import tenfold.demo
from tenfold.demo.images import read_idx, standardise, write_idx
from tenfold.demo.network import DemoNetwork
from tenfold.training.score import accuracy
from training_state import keep, resume

ASSETS = Path(tenfold.demo.__file__).parent / "assets"
SUBSET = 10_000


def augment(images: Tensor) -> Tensor:
    """Mirror half of the images and shift each by up to two pixels."""
    flip = torch.rand(len(images), 1, 1, 1) < 0.5
    images = torch.where(flip, images.flip(-1), images)
    padded = F.pad(images, (2, 2, 2, 2), value=float(images.min()))
    dy, dx = torch.randint(0, 5, (2,)).tolist()
    return padded[..., dy : dy + 28, dx : dx + 28]


def train(model: nn.Module, images: Tensor, labels: Tensor, args: argparse.Namespace) -> None:
    """One-cycle SGD with labels smoothed by 0.05, a checkpoint an epoch."""
    steps = args.epochs * (len(images) // args.batch)
    optimiser = torch.optim.SGD(
        model.parameters(), args.lr, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, args.lr, total_steps=steps, pct_start=0.2
    )
    parts = {"model": model, "optimiser": optimiser, "schedule": schedule}
    kept = args.work / "demo_training.pt"
    for epoch in range(resume(parts, kept), args.epochs):
        torch.manual_seed(args.seed + epoch)
        start, total = time.perf_counter(), 0.0
        model.train()
        for index in torch.randperm(len(images))[: steps // args.epochs * args.batch].split(
            args.batch
        ):
            x = augment(images[index]).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
                loss = F.cross_entropy(model(x), labels[index], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(
            f"epoch {epoch + 1}: loss {total * args.batch / len(images):.4f}, "
            f"{time.perf_counter() - start:.0f} s",
            flush=True,
        )
        keep(parts, kept, epoch + 1)


def main() -> None:
    """Train, judge once on the test images, write what the package embeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("build"))
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bf16", action="store_true")
    args = parser.parse_args()
    args.work.mkdir(exist_ok=True, parents=True)

    raw = {
        name: read_idx(args.data / f"{name}.gz")
        for name in (
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        )
    }
    torch.manual_seed(args.seed)
    model = DemoNetwork().to(memory_format=torch.channels_last)
    began = time.perf_counter()
    train(
        model,
        standardise(raw["train-images-idx3-ubyte"][SUBSET:]),
        raw["train-labels-idx1-ubyte"][SUBSET:].long(),
        args,
    )
    images = standardise(raw["t10k-images-idx3-ubyte"])
    labels = raw["t10k-labels-idx1-ubyte"].long()
    images = images.contiguous(memory_format=torch.channels_last)
    top1 = accuracy(model, list(zip(images.split(50), labels.split(50))))

    ASSETS.mkdir(exist_ok=True)
    weights = {k: v.contiguous() for k, v in model.state_dict().items()}
    save_file(weights, ASSETS / "weights.safetensors")
    write_idx(ASSETS / "test-images.gz", raw["t10k-images-idx3-ubyte"])
    write_idx(ASSETS / "test-labels.gz", raw["t10k-labels-idx1-ubyte"])
    write_idx(ASSETS / "train-images.gz", raw["train-images-idx3-ubyte"][:SUBSET])
    write_idx(ASSETS / "train-labels.gz", raw["train-labels-idx1-ubyte"][:SUBSET])
    result = {
        "test_accuracy": top1,
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds_last_process": round(time.perf_counter() - began),
        "torch": torch.__version__,
        "settings": {k: v for k, v in vars(args).items() if k not in ("data", "work")},
    }
    out = Path(__file__).parent / "results" / "train_demo_network.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
