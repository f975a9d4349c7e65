"""``torch.compile`` with its default backend, channels last."""

from __future__ import annotations

import copy
import shutil
from typing import Any

import torch
from torch import nn

from tenfold.network.call import copied, invoke
from tenfold.runtimes._base import Loaded, Run
from tenfold.runtimes._names import RUNTIMES
from tenfold.runtimes.eager import Eager, laid_out, pinned


class Compiled(Eager):
    """The model is compiled at the first run, which takes from seconds to minutes."""

    name = "compile"
    label = "torch.compile, channels last"
    quick = False

    def unavailable(self) -> str | None:
        """The sentence about a missing C++ compiler, or None."""
        if not any(map(shutil.which, ("c++", "g++", "clang++", "cl"))):
            return self.lacks("a C++ compiler", "install g++ or clang++")
        return None

    def load(self, content: Any, threads: int = 1, structure: nn.Module | None = None) -> Loaded:
        """A compiled copy, compiled anew for each shape."""
        torch.compiler.reset()  # each shape compiles anew, within the limit on recompilations
        compiled: Any = torch.compile(copy.deepcopy(content), dynamic=False)

        def ready(example: Any) -> Run:
            inputs = laid_out(copied(example), self.memory_format)

            def run() -> Any:
                with torch.compiler.set_stance("default"):  # guests run as they are written
                    return invoke(compiled, inputs)

            return pinned(run, threads)

        return ready


RUNTIMES.add("compile", Compiled())
