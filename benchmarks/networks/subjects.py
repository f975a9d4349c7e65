"""Trained networks by name, each with an input and the images that judge it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

import tenfold
from benchmarks.networks import cifar, tiny
from benchmarks.networks.compact import load_compact
from benchmarks.networks.plain import load_plain
from benchmarks.networks.resnet import load_apart, resnet20
from benchmarks.networks.vgg import Vgg16, load_vgg16
from benchmarks.result_files import RESULTS
from tenfold.demo.data import held_batches
from tenfold.demo.network import example as grey_example
from tenfold.demo.network import load_network

Batches = list[tuple[Tensor, Tensor]]
HELD = 2500  # training images that judge with ``--split held``


@dataclass(frozen=True)
class Subject:
    """A network in evaluation mode, an input of it, and a function that reads the batches to judge
    it by: the test images, or so many training images that no setting was fitted to."""

    model: nn.Module
    example: Tensor
    judge: Callable[[str, int], Batches]


def load_subject(name: str) -> Subject:
    """The network of this name, one of ``SUBJECTS``."""
    return SUBJECTS[name]()


def demo() -> Subject:
    """The embedded network; its training images have taught nothing, so they judge nothing."""
    return Subject(load_network(), grey_example(), lambda split, held: held_batches())


def plain() -> Subject:
    """A network without any normalisation; no test image has taught it."""
    return Subject(load_plain(), grey_example(), lambda split, held: held_batches())


def on_cifar(model: nn.Module) -> Subject:
    """A network for CIFAR-10."""
    return Subject(model, cifar.example(), cifar.shown)


def tiny_colour() -> Subject:
    """The tiny network on random images."""
    images = tiny.read_images()
    batches = cifar.batches(images["test_x"], images["test_y"])
    return Subject(tiny.tiny(), tiny.example(), lambda split, held: batches)


def tiny_grey() -> Subject:
    """The tiny network on a few of the embedded images."""
    return Subject(tiny.tiny(1), grey_example(), lambda split, held: held_batches()[:2])


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "demo": demo,
    "resnet20": lambda: on_cifar(resnet20()),
    "compact": lambda: on_cifar(load_compact()),
    "vgg16": lambda: on_cifar(load_vgg16()),
    "resnet20_apart": lambda: on_cifar(load_apart()),
    "vgg16_20x": lambda: on_cifar(tenfold.load(RESULTS / "vgg16_20x", Vgg16)),
    "plain": plain,
    "tiny": tiny_colour,
    "tiny-grey": tiny_grey,
}
