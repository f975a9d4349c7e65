"""ExecuTorch with XNNPACK, in process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.errors import as_bad_value
from tenfold.network.arrays import flat_tensors
from tenfold.network.copying import copy_of
from tenfold.runtimes.engines._base import ENGINES, Engine, Package, Run, lacking, version_of
from tenfold.runtimes.engines._onnx import quiet


class ExecuTorch(Engine):
    """The program as a phone would load it."""

    name = "executorch"
    label = "ExecuTorch, XNNPACK"
    quick = False

    def unavailable(self) -> str | None:
        """ExecuTorch itself."""
        return lacking(("executorch",), "executorch")

    def version(self) -> str:
        """ExecuTorch's."""
        return version_of("executorch")

    def package(self, model: nn.Module, example: Any) -> Package:
        """A lowered program for the shape of the example."""
        written = lower(copy_of(model).eval(), example)
        return Package(written, len(written))

    def load(self, package: Package, example: Any, threads: int) -> Run:
        """A run in a pool of so many threads, which all programs of the process share."""
        from executorch.extension.pybindings import portable_lib

        # torn down under whatever is loaded already, so only when it has to be
        if portable_lib._threadpool_get_thread_count() != threads:
            portable_lib._unsafe_reset_threadpool(threads)
        program = portable_lib._load_for_executorch_from_buffer(package.content)
        loaded = Loaded(program, package.content, tuple(flat_tensors(example)))
        return loaded.run


@dataclass(frozen=True)
class Loaded:
    """A program with the bytes that it goes on reading from, which it does not keep itself."""

    program: Any
    content: bytes
    inputs: tuple[Tensor, ...]

    def run(self) -> Any:
        """One forward pass."""
        return self.program.run_method("forward", self.inputs)


class Named(nn.Module):
    """The model under a name: lowering trips over weights whose names begin with a digit, as
    those of a plain ``nn.Sequential`` do."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *arguments: Any, **keywords: Any) -> Any:
        return self.model(*arguments, **keywords)


def lower(model: nn.Module, example: Any) -> bytes:
    """The program's bytes. Raises InputError with the exporter's first line."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    keywords = dict(example) if isinstance(example, Mapping) else {}
    arguments = tuple(example) if isinstance(example, (tuple, list)) else (example,)
    rule = "A model must lower to ExecuTorch to run there"
    with quiet(), as_bad_value(rule, "time it on the engine eager"):
        exported = torch.export.export(Named(model), () if keywords else arguments, keywords)
        edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
        return bytes(edge.to_executorch().buffer)


ENGINES.add("executorch", ExecuTorch())
