"""``.pte``: a program as a phone would load it, run in this process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.network.inputs import leaves
from tenfold.runtimes._base import FileRuntime, Loaded
from tenfold.runtimes._names import RUNTIMES
from tenfold.runtimes.axes import Axes
from tenfold.runtimes.executorch.int8 import ExecuTorchInt8
from tenfold.runtimes.executorch.lower import lower
from tenfold.runtimes.talk import quiet


class ExecuTorch(FileRuntime):
    """Memory is planned ahead for the example's very shape."""

    name = "executorch"
    label = "ExecuTorch, XNNPACK"
    suffix = ".pte"
    packages = ("executorch",)
    extra = "executorch"
    quick = False
    int8 = ExecuTorchInt8()

    def write(self, model: nn.Module, example: Any, path: Path, sizes: bool = True) -> Axes:
        """A lowered program; other sizes never run."""
        path.write_bytes(lower(model, example))
        return Axes()

    def load(self, content: Any, threads: int = 1, structure: nn.Module | None = None) -> Loaded:
        """A program in a pool of so many threads, which all programs of the process share."""
        with quiet():
            from executorch.extension.pybindings import portable_lib

        # torn down under whatever is loaded already, so only when it has to be
        if portable_lib._threadpool_get_thread_count() != threads:
            portable_lib._unsafe_reset_threadpool(threads)
        written = Path(content).read_bytes()
        program = Program(portable_lib._load_for_executorch_from_buffer(written), written)
        return lambda example: partial(program.run, contiguous(example))


@dataclass(frozen=True)
class Program:
    """A program with the bytes that it goes on reading from, which it does not keep itself."""

    program: Any
    content: bytes

    def run(self, inputs: tuple[Tensor, ...]) -> Any:
        """A forward pass."""
        return self.program.run_method("forward", inputs)


def contiguous(example: Any) -> tuple[Tensor, ...]:
    """The example's tensors as the program takes them: in rows, also where one channel lets another
    order of the axes count as contiguous."""
    rows = torch.contiguous_format
    return tuple(x.detach().clone(memory_format=rows) for x in leaves(example))


RUNTIMES.add("executorch", ExecuTorch())
