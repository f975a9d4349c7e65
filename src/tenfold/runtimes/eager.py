"""PyTorch eager on the CPU, in either memory format."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from tenfold.machine.processes import torch_threads
from tenfold.network.call import copied, invoke
from tenfold.network.copying import copy_of
from tenfold.network.inputs import mapped
from tenfold.network.weights import stored_bytes
from tenfold.runtimes._base import Deployed, Loaded, Run, Runtime
from tenfold.runtimes._names import RUNTIMES


class Eager(Runtime):
    """Channels last: what PyTorch's own convolutions are fastest in. The module runs as it is,
    with every layer that it has."""

    name = "eager"
    label = "PyTorch eager, channels last"
    memory_format: ClassVar[torch.memory_format] = torch.channels_last

    def deploy(self, model: nn.Module, example: Any, folder: Path) -> Deployed:
        """A copy in evaluation mode and in the memory format."""
        own = copy_of(model).eval()
        own.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        return Deployed(own, stored_bytes(own), dynamic=True)

    def load(self, content: Any, threads: int = 1, structure: nn.Module | None = None) -> Loaded:
        """Runs on copies of weights and example."""
        model = copy.deepcopy(content)  # loading brings the weights to memory

        def ready(example: Any) -> Run:
            inputs = laid_out(copied(example), self.memory_format)
            return pinned(lambda: invoke(model, inputs), threads)

        return ready


class EagerContiguous(Eager):
    """NCHW: what a model has when nobody changed it."""

    name = "eager-nchw"
    label = "PyTorch eager, NCHW"
    memory_format = torch.contiguous_format


def pinned(work: Run, threads: int) -> Run:
    """The work without gradients on this many of torch's threads, set only where they differ:
    whoever times has set them already, and setting them takes as long as a small layer."""

    def run() -> Any:
        with torch.inference_mode():
            if torch.get_num_threads() == threads:
                return work()
            with torch_threads(threads):
                return work()

    return run


def laid_out(example: Any, memory_format: torch.memory_format) -> Any:
    """The example with its four-dimensional tensors in a memory format."""
    return mapped(
        lambda x: x.contiguous(memory_format=memory_format) if x.ndim == 4 else x, example
    )


RUNTIMES.add("eager", Eager())
RUNTIMES.add("eager-nchw", EagerContiguous())
