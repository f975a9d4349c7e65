"""PyTorch eager on a CUDA device; a run ends when the device is done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tenfold.network.call import copied, invoke
from tenfold.network.inputs import to_device
from tenfold.runtimes._base import Deployed, Loaded, Run
from tenfold.runtimes._names import RUNTIMES
from tenfold.runtimes.eager import Eager, laid_out, pinned


class Cuda(Eager):
    """Threads count for the launching side only."""

    name = "cuda"
    label = "PyTorch eager, CUDA"

    def unavailable(self) -> str | None:
        """The sentence about a missing device, or None."""
        if not torch.cuda.is_available():
            return self.lacks("a CUDA device that PyTorch can use", "time on another engine")
        return None

    def version(self) -> str:
        """Torch's, and the device's name."""
        return f"{torch.__version__}, {torch.cuda.get_device_name()}"

    def deploy(self, model: nn.Module, example: Any, folder: Path) -> Deployed:
        """Eager's, on the device."""
        deployed = super().deploy(model, example, folder)
        return replace(deployed, content=deployed.content.to("cuda"))

    def load(self, content: Any, threads: int = 1, structure: nn.Module | None = None) -> Loaded:
        """Runs on a copy of the example there, which end when the device is done."""

        def ready(example: Any) -> Run:
            device = torch.device("cuda")
            inputs = to_device(laid_out(copied(example), self.memory_format), device)

            def work() -> Any:
                outputs = invoke(content, inputs)
                torch.cuda.synchronize()
                return outputs

            return pinned(work, threads)

        return ready


RUNTIMES.add("cuda", Cuda())
