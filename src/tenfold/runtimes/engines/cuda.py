"""PyTorch eager on a CUDA device; a run ends when the device is done."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tenfold.network.call import copied, invoke
from tenfold.network.inputs import to_device
from tenfold.runtimes.engines._base import ENGINES, Package, Run
from tenfold.runtimes.engines.eager import Eager, laid_out, pinned


class Cuda(Eager):
    """Threads count for the launching side only."""

    name = "cuda"
    label = "PyTorch eager, CUDA"

    def unavailable(self) -> str | None:
        """The sentence about a missing device, or None."""
        if not torch.cuda.is_available():
            return "no CUDA device that PyTorch can use; time on another engine"
        return None

    def version(self) -> str:
        """Torch's, and the device's name."""
        return f"{torch.__version__}, {torch.cuda.get_device_name()}"

    def package(self, model: nn.Module, example: Any) -> Package:
        """Eager's, on the device."""
        package = super().package(model, example)
        return Package(package.content.to("cuda"), package.bytes)

    def load(self, package: Package, example: Any, threads: int) -> Run:
        """A run on a copy of the example there, which ends when the device is done."""
        inputs = to_device(laid_out(copied(example), self.memory_format), torch.device("cuda"))

        def work() -> Any:
            found = invoke(package.content, inputs)
            torch.cuda.synchronize()
            return found

        return pinned(work, threads)


ENGINES.add("cuda", Cuda())
