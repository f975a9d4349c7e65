"""PyTorch eager on the CPU, in either memory format."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import torch
from torch import nn

from tenfold.machine.threads import torch_threads
from tenfold.network.call import copied, invoke
from tenfold.network.copying import copy_of
from tenfold.network.digest import tensors_of
from tenfold.network.inputs import mapped
from tenfold.runtimes.engines._base import ENGINES, Engine, Package, Run


class Eager(Engine):
    """Channels last: what PyTorch's own convolutions are fastest in."""

    name = "eager"
    label = "PyTorch eager, channels last"
    memory_format: ClassVar[torch.memory_format] = torch.channels_last

    def unavailable(self) -> str | None:
        """Nothing: PyTorch is here."""
        return None

    def version(self) -> str:
        """Torch's."""
        return str(torch.__version__)

    def package(self, model: nn.Module, example: Any) -> Package:
        """A copy in evaluation mode and in the memory format."""
        own = copy_of(model).eval()
        own.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        return Package(own, stored_bytes(own))

    def load(self, package: Package, example: Any, threads: int) -> Run:
        """A run on copies of weights and example."""
        inputs = laid_out(copied(example), self.memory_format)
        model = copy.deepcopy(package.content)  # loading brings the weights to memory
        return pinned(lambda: invoke(model, inputs), threads)


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


def stored_bytes(model: nn.Module) -> int:
    """Bytes of parameters and buffers, tied ones once."""
    distinct = {t.data_ptr(): t.numel() * t.element_size() for t in tensors_of(model).values()}
    return sum(distinct.values())


ENGINES.add("eager", Eager())
ENGINES.add("eager-nchw", EagerContiguous())
