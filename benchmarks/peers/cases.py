"""The networks of the comparison: what judges each, what may be seen of its data, which budgets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from benchmarks.networks import cifar, tiny
from benchmarks.networks.augmented import Augmented
from benchmarks.networks.outside import Outside, load_outside
from benchmarks.networks.subjects import load_subject
from tenfold.demo.data import read_split, train_batches
from tenfold.training.score import accuracy

SEEN = 512  # training images that a tool may calibrate with, or score by while it searches
SHARES = {  # of what the original has
    "demo": {"params": 0.25, "macs": 0.4},
    "resnet20": {"params": 0.33, "macs": 0.4},
    "maia": {"params": 0.5, "macs": 0.5},
    "efficientnet_lite1": {"params": 0.77},
    "minilm": {"params": 0.75},
    "tiny": {"params": 0.6},
}
METRICS = {
    "demo": "top-1 on 10,000 Fashion-MNIST test images",
    "resnet20": "top-1 on the 10,000 CIFAR-10 test images, as JPEGs",
    "maia": "moves matched, of 4,675",
    "efficientnet_lite1": "top-1 on 500 ImageNet images",
    "minilm": "Spearman's rho on STS-B",
    "tiny": "top-1 on random images",
}
OUTPUTS = {  # layers whose outputs are the network's: a pruner has to leave their width alone
    "demo": ("classifier",),
    "resnet20": ("linear",),
    "maia": ("policy", "value2"),
    "efficientnet_lite1": ("_fc",),
    "tiny": ("classes",),
}


@dataclass(frozen=True)
class Case:
    """A network; ``evaluate`` is for the table alone. ``labelled`` are training batches to score by
    while a tool searches, ``calibration`` unlabelled ones, ``learn`` batches to train on."""

    outside: Outside
    shares: dict[str, float]
    outputs: tuple[str, ...]
    labelled: Sequence[tuple[Tensor, Tensor]] | None = None
    learn: Iterable[Any] | None = None

    @property
    def model(self) -> nn.Module:
        """The original."""
        return self.outside.model

    @property
    def example(self) -> Any:
        """One input."""
        return self.outside.example


def load_case(name: str) -> Case:
    """The network of this name."""
    outside, labelled, learn = OWN.get(name, from_outside)(name)
    return Case(outside, SHARES[name], OUTPUTS.get(name, ()), labelled, learn)


def from_outside(name: str) -> tuple[Outside, None, None]:
    """A network of TENFOLD_NETWORKS, which comes without labels."""
    return load_outside(name), None, None


def demo(name: str) -> tuple[Outside, Any, Any]:
    """The embedded network and images of its training set, none of which taught it."""
    images, labels = read_split("train")
    return own(name, list(zip(images[:SEEN].split(64), labels[:SEEN].split(64))), train_batches())


def resnet20(name: str) -> tuple[Outside, Any, Any]:
    """ResNet-20 and its training images."""
    images = cifar.read_cifar()
    order, _ = cifar.split_indices(SEEN)
    seen = cifar.batches(images["train_x"][order], images["train_y"][order], 64)
    return own(name, seen, Augmented.of(images["train_x"], images["train_y"]))


def tiny_case(name: str) -> tuple[Outside, Any, Any]:
    """A network that fits a run of seconds."""
    images = tiny.read_images()
    return own(name, cifar.batches(images["train_x"], images["train_y"], 16), None)


def own(name: str, seen: Any, learn: Any) -> tuple[Outside, Any, Any]:
    """A network of the repository, judged on its test images."""
    subject = load_subject(name)

    def judge(model: nn.Module) -> float:
        return accuracy(model, subject.judge("test", 0))

    inputs = [images for images, _ in seen]
    return Outside(name, subject.model, subject.example, judge, inputs), seen, learn


OWN: dict[str, Callable[[str], tuple[Outside, Any, Any]]] = {
    "demo": demo,
    "resnet20": resnet20,
    "tiny": tiny_case,
}
