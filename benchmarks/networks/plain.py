"""A convolutional classifier without any normalisation, for 28x28 grey images."""

from __future__ import annotations

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.result_files import RESULTS
from tenfold.demo.data import Shuffled, read_split

WEIGHTS = RESULTS / "plain_fashion.safetensors"
HELD = 2000  # of the 10,000 embedded training images, to choose on
EPOCHS, RATE = 4, 3e-3


class PlainNetwork(nn.Module):
    """Input ``(batch, 1, 28, 28)``, output ``(batch, 10)`` logits."""

    def __init__(self) -> None:
        super().__init__()
        widths, strides = (1, 16, 32, 32, 64, 64), (2, 1, 1, 2, 1)
        self.convs = nn.ModuleList(
            nn.Conv2d(n, m, 3, stride, 1) for n, m, stride in zip(widths, widths[1:], strides)
        )
        self.hidden, self.classes = nn.Linear(widths[-1], 64), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.convs:
            x = F.relu(layer(x))
        return self.classes(F.relu(self.hidden(x.mean((2, 3)))))


def split() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Images and labels to train on, and to choose settings on."""
    images, labels = read_split("train")
    return (images[HELD:], labels[HELD:]), (images[:HELD], labels[:HELD])


def train() -> PlainNetwork:
    """Adam with a one-cycle rate; a minute on one core."""
    torch.manual_seed(0)
    model, data = PlainNetwork(), Shuffled(*split()[0])
    for layer in model.convs:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    optimiser = torch.optim.Adam(model.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, RATE, total_steps=EPOCHS * len(data), pct_start=0.2
    )
    for _ in range(EPOCHS):
        for x, y in data:
            loss = F.cross_entropy(model(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return model.eval()


def load_plain() -> PlainNetwork:
    """With trained weights; trained and written first where there are none."""
    if not WEIGHTS.exists():
        WEIGHTS.parent.mkdir(exist_ok=True)
        save_file(train().state_dict(), WEIGHTS)
    model = PlainNetwork()
    model.load_state_dict(load_file(WEIGHTS))
    return model.eval()
