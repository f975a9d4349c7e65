"""Train the embedded network on Fashion-MNIST and write the package's embedded assets.

    python -m benchmarks.claims.train_demo_network --data /usr/share/datasets/fashion-mnist

The folder is what Debian's package ``dataset-fashion-mnist`` installs. The network learns from
50,000 training images; the other 10,000 are embedded, so that what comes with the package to
recover accuracy with is new to it, as a user's held-out data would be: a network knows what it
was trained on by heart, and then neither its outputs nor the labels say much. All settings were
fixed beforehand; the test images are looked at once, at the end. An interrupted run goes on at its
last epoch, from a checkpoint in ``training.work`` of the results.
Writes the assets and ``train_demo_network.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

import tenfold.demo
from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.networks.training_state import WORK, keep, resume
from benchmarks.result_files import write_json
from tenfold.demo.data import read_idx, standardise, write_idx
from tenfold.demo.network import DemoNetwork
from tenfold.training.score import accuracy

ASSETS = Path(tenfold.demo.__file__).parent / "assets"
FASHION = {  # what is read, and the name of its file in the data set
    "train-images": "train-images-idx3-ubyte.gz",
    "train-labels": "train-labels-idx1-ubyte.gz",
    "test-images": "t10k-images-idx3-ubyte.gz",
    "test-labels": "t10k-labels-idx1-ubyte.gz",
}
QUICK = {
    "epochs": 1,
    "batch": 16,
    "embedded": 32,
    "images": 64,
    "assets": None,
}


def augment(images: Tensor) -> Tensor:
    """Mirror half of the images and shift each by up to two pixels."""
    flip = torch.rand(len(images), 1, 1, 1) < 0.5
    images = torch.where(flip, images.flip(-1), images)
    padded = F.pad(images, (2, 2, 2, 2), value=float(images.min()))
    dy, dx = torch.randint(0, 5, (2,)).tolist()
    return padded[..., dy : dy + 28, dx : dx + 28]


def train(model: nn.Module, images: Tensor, labels: Tensor, arguments: argparse.Namespace) -> None:
    """One-cycle SGD with labels smoothed by 0.05, a checkpoint an epoch."""
    length = len(images) // arguments.batch
    optimiser = torch.optim.SGD(
        model.parameters(), arguments.lr, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, arguments.lr, total_steps=arguments.epochs * length, pct_start=0.2
    )
    parts = {"model": model, "optimiser": optimiser, "schedule": schedule}
    checkpoint = arguments.results / WORK / "demo.pt"
    for epoch in range(resume(parts, checkpoint), arguments.epochs):
        torch.manual_seed(arguments.seed + epoch)
        began, total = time.perf_counter(), 0.0
        model.train()
        order = torch.randperm(len(images))[: length * arguments.batch]
        for rows in order.split(arguments.batch):
            x = augment(images[rows]).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=arguments.bf16):
                loss = F.cross_entropy(model(x), labels[rows], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        seconds = time.perf_counter() - began
        print(f"epoch {epoch + 1}: loss {total / length:.4f}, {seconds:.0f} s", flush=True)
        keep(parts, checkpoint, epoch + 1)


def read_raw(folder: Path | None, count: int | None) -> dict[str, Tensor]:
    """The data set's bytes, at most ``count`` of each split; without a folder those that come with
    the package."""
    names = {name: f"{name}.gz" for name in FASHION} if folder is None else FASHION
    return {name: read_idx((folder or ASSETS) / file)[:count] for name, file in names.items()}


def judge(model: nn.Module, raw: Mapping[str, Tensor]) -> float:
    """Top-1 on the test images, in per cent."""
    images, labels = standardise(raw["test-images"]), raw["test-labels"].long()
    images = images.contiguous(memory_format=torch.channels_last)
    return accuracy(model, list(zip(images.split(50), labels.split(50))))


def write_assets(folder: Path, model: nn.Module, raw: Mapping[str, Tensor], embedded: int) -> None:
    """Weights, test images, and the training images that the network has not seen."""
    folder.mkdir(exist_ok=True, parents=True)
    weights = {k: v.contiguous() for k, v in model.state_dict().items()}
    save_file(weights, folder / "weights.safetensors")
    for name, values in raw.items():
        write_idx(folder / f"{name}.gz", values[:embedded] if "train" in name else values)


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--data", type=Path, help="folder of Fashion-MNIST")
    parser.add_argument("--assets", type=Path, default=ASSETS, help="folder to embed from")
    parser.add_argument("--embedded", type=int, default=10_000, help="images not trained on")
    parser.add_argument("--images", type=int, help="of each split, all if none")
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bf16", action="store_true")
    arguments = read_arguments(parser, argv, QUICK)
    arguments.assets = arguments.assets or arguments.results / "assets"
    if arguments.data is None and arguments.assets == ASSETS:
        parser.error("--data must name the folder of Fashion-MNIST; without it use --quick")
    return arguments


def main(argv: Sequence[str] | None = None) -> None:
    """Train, judge once on the test images, write what the package embeds."""
    arguments = arguments_of(argv)
    raw = read_raw(arguments.data, arguments.images)
    torch.manual_seed(arguments.seed)
    model = DemoNetwork().to(memory_format=torch.channels_last)
    began = time.perf_counter()
    images = standardise(raw["train-images"][arguments.embedded :])
    train(model, images, raw["train-labels"][arguments.embedded :].long(), arguments)
    settings = ("epochs", "batch", "lr", "seed", "bf16")
    result = {
        "test_accuracy": judge(model, raw),
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds_last_process": round(time.perf_counter() - began),
        "torch": torch.__version__,
        "settings": {name: getattr(arguments, name) for name in settings},
    }
    write_assets(arguments.assets, model, raw, arguments.embedded)
    write_json(arguments.results / "train_demo_network.json", result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
