"""What helps chains of factors train: short runs on training images, judged on held-out ones.

    TENFOLD_DATA=folder python benchmarks/chains.py [--images 8000] [--epochs 2] [--only NAME]

ResNet-20 at 5.2x, images of the training part only; the score is the accuracy on 2,500 held-out
training images. Writes ``results/chains.json``.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

import cifar
import tenfold
from augmented import Augmented
from recover import plan_for
from tenfold.chains import balance_all, chains
from tenfold.tune import TuneSettings, loop, tune
from tenfold.tune.score import accuracy

RESULTS = Path(__file__).parent / "results"
TIMES = "5.2"


class ScaleNorm(nn.Module):
    """BatchNorm's division by the spread without its shift, which no chain could take in: a
    padded layer after it would see the shift's border."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.register_buffer("running", torch.ones(channels))
        self.fresh = True

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            power = x.float().square().mean((0, 2, 3))
            with torch.no_grad():
                if self.fresh:
                    self.running.copy_(power)
                    self.gain.copy_((power + 1e-5).sqrt())
                    self.fresh = False
                self.running.lerp_(power, 0.1)
        else:
            power = self.running
        return x * (self.gain / (power + 1e-5).sqrt()).view(1, -1, 1, 1).to(x.dtype)


def with_norms(model: nn.Module, images: Tensor) -> nn.Module:
    """Every convolution of a chain but the last followed by a norm that changes nothing yet."""
    model = copy.deepcopy(model)
    balance_all(model)
    inner = [link for links in chains(model) for link in links[:-1] if link.weight.ndim == 4]
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if any(child is link for link in inner):
                setattr(module, name, nn.Sequential(child, ScaleNorm(child.out_channels)))
    model.eval()
    for module in model.modules():
        if isinstance(module, ScaleNorm):
            module.train()
    with torch.no_grad():
        model(images)
    return model.eval()


def folded(model: nn.Module) -> nn.Module:
    """Norms taken into the kernels before them; stock layers again."""
    model = copy.deepcopy(model)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Sequential) and isinstance(child[-1], ScaleNorm):
                norm, kernel = child[-1], child[0]
                factor = norm.gain / (norm.running + 1e-5).sqrt()
                kernel.weight.data.mul_(factor.detach().view(-1, 1, 1, 1))
                setattr(module, name, kernel)
    return model


def sized_groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """A group a factor, its rate in proportion to the size of its weights (Adafactor, Shazeer
    and Stern 2018, section 8), which is 1 at a root mean square of 0.1."""
    found = []
    for p in model.parameters():
        size = float(p.detach().square().mean().sqrt()) if p.ndim > 1 else 0.1
        found.append({
            "params": [p], "weight_decay": decay if p.ndim > 1 else 0.0,
            "share": min(4.0, max(0.25, size / 0.1)),
        })  # fmt: skip
    return found


@contextmanager
def factor_rates() -> Iterator[None]:
    """The loop with a rate a factor."""
    step = torch.optim.AdamW.step

    def scaled(self: Any, *args: Any) -> Any:
        rates = [group["lr"] for group in self.param_groups]
        for group in self.param_groups:
            group["lr"] *= group.get("share", 1.0)
        found = step(self, *args)
        for group, rate in zip(self.param_groups, rates):
            group["lr"] = rate
        return found

    with mock.patch.object(loop, "groups", sized_groups), \
            mock.patch.object(torch.optim.AdamW, "step", scaled):  # fmt: skip
        yield


def variants(images: Tensor) -> dict[str, tuple[Callable[[nn.Module], nn.Module], bool, dict]]:
    """Name: how the factored network is prepared, rates a factor or not, other settings."""

    def same(model: nn.Module) -> nn.Module:
        return model

    def norms(model: nn.Module) -> nn.Module:
        return with_norms(model, images)

    return {
        "as it was factored": (same, False, {"balance": False}),
        "balanced": (same, False, {}),
        "rate a factor": (same, True, {"balance": False}),
        "balanced, rate a factor": (same, True, {}),
        "balanced, norms between": (norms, False, {}),
        "twice the rate": (same, False, {"rate": 2.0}),
        "four times the rate": (same, False, {"rate": 4.0}),
        "no features": (same, False, {"features": 0.0}),
        "features 4": (same, False, {"features": 4.0}),
        "logits only": (same, False, {"features": 0.0, "task": 0.0}),
        "temperature 4": (same, False, {"temperature": 4.0}),
        "no decay": (same, False, {"weight_decay": 0.0}),
        "no clipping": (same, False, {"clip": 1e9}),
        "clip 5": (same, False, {"clip": 5.0}),
        "ema": (same, False, {"ema": 0.99}),
    }


def main() -> None:
    """Run, print, write after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--only", help="names joined by /")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    raw, (held, rest) = cifar.read_cifar(), cifar.split_indices()
    rest = rest[: arguments.images]
    data = Augmented.of(raw["train_x"][rest], raw["train_y"][rest], torch.device("cpu"))
    judge = cifar.batches(raw["train_x"][held], raw["train_y"][held])
    original = cifar.resnet20()
    factored = tenfold.apply(plan_for("resnet20", TIMES, original), original)
    path = RESULTS / "chains.json"
    key = f"{arguments.images} images, {arguments.epochs} epochs"
    found = json.loads(path.read_text()) if path.exists() else {}
    table = found.setdefault(key, {
        "original": accuracy(original, judge), "before": accuracy(factored, judge), "runs": {},
    })["runs"]  # fmt: skip
    wanted = arguments.only.split("/") if arguments.only else None
    base = TuneSettings().peak_rate(loop.size(original), loop.size(factored))
    menu = variants(judge[0][0])
    for name in wanted or menu:
        if name in table:
            continue
        prepare, rates, changes = menu[name]
        changes = {"rate": base * changes.pop("rate", 1.0), **changes}
        settings = TuneSettings(
            epochs=arguments.epochs, precision="auto", channels_last=True, **changes
        )
        began = time.process_time()
        with factor_rates() if rates else mock.patch.object(loop, "KEPT", None, create=True):
            tuned = tune(prepare(factored), original, data, settings=settings,
                         score=lambda model: accuracy(model, judge))  # fmt: skip
        model = folded(tuned.model)
        table[name] = {
            "after": round(accuracy(model, judge), 2), "rate": settings.rate,
            "cpu_seconds": round(time.process_time() - began),
            "scores": [round(h["score"], 2) for h in tuned.history],
            "largest_gradient": [round(h["gradient"], 2) for h in tuned.history],
            "losses": [round(h["loss"], 4) for h in tuned.history],
        }  # fmt: skip
        print(name, table[name], flush=True)
        path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
