"""Compress the network of a LightningModule as training begins; the original is its teacher.

    pip install tenfold lightning
    python examples/lightning_callback.py --out small

The callback fits every module that has a ``network`` and asks ``teach`` for its loss.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import tenfold

Teach = Callable[[Tensor, Tensor], Tensor]  # inputs, output -> loss


class Classifier(lightning.LightningModule):
    """Your module; two lines ask the teacher where there is one."""

    def __init__(self, network: nn.Module, rate: float = 3e-3) -> None:
        super().__init__()
        self.network, self.rate = network, rate
        self.teach: Teach | None = None

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        inputs, labels = batch
        output = self.network(inputs)
        if self.teach is not None:
            return self.teach(inputs, output)
        return F.cross_entropy(output, labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.network.parameters(), self.rate)


class Compress(lightning.Callback):
    """Puts a compressed network in the place of the module's before the optimiser is made.

    The original stays outside the module: it is not trained, not saved, and not put into training
    mode. ``result`` holds the plan and the report.
    """

    def __init__(self, example: Tensor, budget: str, temperature: float = 2.0) -> None:
        self.example, self.budget, self.temperature = example, budget, temperature
        self.teacher: nn.Module | None = None

    def setup(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, stage: str
    ) -> None:
        if stage != "fit" or self.teacher is not None:
            return
        self.teacher = module.network.eval().requires_grad_(False)
        self.result = tenfold.compress(self.teacher, self.example, self.budget)
        module.network = deepcopy(self.result.model).requires_grad_(True).train()
        module.teach = self.teach

    def on_fit_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.teacher.to(module.device)

    def teach(self, inputs: Tensor, output: Tensor) -> Tensor:
        """The divergence of the softened answers, ``(batch, classes)``."""
        with torch.no_grad():
            answer = self.teacher(inputs)
        return divergence(output, answer, self.temperature)


def divergence(output: Tensor, answer: Tensor, temperature: float) -> Tensor:
    """``T^2 KL(answer || output)`` of ``(batch, classes)``, softened by the temperature T."""
    soft, goal = (F.log_softmax(x / temperature, dim=-1) for x in (output, answer))
    return F.kl_div(soft, goal, reduction="batchmean", log_target=True) * temperature**2


def make_network() -> nn.Module:
    """Your trained network."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4))
    nn.init.normal_(network[-1].weight, std=10)  # so that answers differ, as after training
    return network.eval()


def main(out: Path, epochs: int = 5) -> tuple[float, float]:
    """Train, save and load again; the distance from the teacher before and after."""
    network = make_network()
    images = torch.randn(64, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    labels = network(images).argmax(1)
    loader = DataLoader(TensorDataset(images, labels), batch_size=16)

    module, compress = Classifier(network), Compress(images[:1], "params=0.3")
    trainer = lightning.Trainer(
        max_epochs=epochs,
        callbacks=[compress],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, loader)

    small = module.network.cpu().eval()
    tenfold.save(replace(compress.result, model=small), out)
    again = tenfold.load(out, make_network)
    with torch.no_grad():
        answer = make_network()(images)
        before = float(divergence(compress.result.model(images), answer, 1.0))
        after = float(divergence(again(images), answer, 1.0))
    print(f"{compress.result.report.times_smaller('params'):.1f}x fewer parameters")
    print(f"distance from the teacher: {before:.4f} before, {after:.4f} after")
    return before, after


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("small"))
    main(parser.parse_args().out)
