"""A runtime as a stranger would add it: one file. What it reads is a folder, and only elsewhere."""

from __future__ import annotations

import torch

from tenfold.network.weights import write_weights
from tenfold.runtimes import RUNTIMES, Axes, FileRuntime


class Toy(FileRuntime):
    name = "toy"
    label = "Toy"
    suffix = ".toypackage"
    packages = ("json",)
    extra = "toy"

    def write(self, model, example, path, sizes=True):
        (path / "data").mkdir(parents=True)
        torch.save(len(example), path / "data" / "batch")
        write_weights(model, path / "data" / "weights")
        return Axes()

    def unreadable(self):
        return "toy packages run on toys only"


RUNTIMES.add("toy", Toy())
