"""Weights alone, with the names and shapes of the compressed model; ``tenfold.load`` or
``safetensors.torch.load_model`` reads them back into that structure."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from tenfold.errors import bad_value
from tenfold.network.batching import takes_rows
from tenfold.network.call import run
from tenfold.network.copying import copy_of
from tenfold.network.inputs import batch_of, check_example
from tenfold.network.weights import read_weights, write_weights
from tenfold.runtimes._base import FileRuntime, Loaded
from tenfold.runtimes._names import RUNTIMES
from tenfold.runtimes.axes import Axes


class Safetensors(FileRuntime):
    """Never fused: the names must be those of the structure that is built anew. No engine, for
    weights do not run by themselves."""

    name = "safetensors"
    label = "safetensors"
    suffix = ".safetensors"
    fuses = False
    timed = False

    def write(self, model: nn.Module, example: Any, path: Path, sizes: bool = True) -> Axes:
        """The weights; the structure takes what batches it takes."""
        write_weights(model, path)
        check_example(example)
        return Axes(takes_rows(model, example, batch_of(example) + 1))

    def load(self, content: Any, threads: int = 1, structure: nn.Module | None = None) -> Loaded:
        """A copy of the structure with the weights. Raises InputError without one."""
        if structure is None:
            raise bad_value(
                "Weights alone need a structure to run in", "none", "pass structure=model"
            )
        model = copy_of(structure)
        read_weights(model, content)
        return lambda example: partial(run, model, example)


RUNTIMES.add("safetensors", Safetensors())
