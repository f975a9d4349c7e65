"""Weights alone, with the names and shapes of the compressed model; ``tenfold.load`` or
``safetensors.torch.load_model`` reads them back into that structure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from tenfold.errors import bad_value
from tenfold.network.call import run
from tenfold.network.copying import copy_of
from tenfold.network.weights import read_weights, write_weights
from tenfold.runtimes.exporters._base import EXPORTERS, Exporter, Runner
from tenfold.runtimes.trace import takes_batches


class Safetensors(Exporter):
    """Never fused: the names must be those of the structure that is built anew."""

    name = "safetensors"
    suffix = ".safetensors"
    fuses = False

    def write(self, model: nn.Module, example: Any, path: Path) -> bool:
        """The weights; the structure takes what batches it takes."""
        write_weights(model, path)
        return takes_batches(model, example)

    def read(self, path: Path, structure: nn.Module | None = None) -> Runner:
        """A copy of the structure with the weights. Raises InputError without one."""
        if structure is None:
            raise bad_value(
                "Weights alone need a structure to run in", "none", "pass structure=model"
            )
        model = copy_of(structure)
        read_weights(model, path)
        return lambda example: run(model, example)


EXPORTERS.add("safetensors", Safetensors())
