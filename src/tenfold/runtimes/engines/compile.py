"""``torch.compile`` with its default backend, channels last."""

from __future__ import annotations

import copy
import shutil
from typing import Any

import torch

from tenfold.network.call import copied, invoke
from tenfold.runtimes.engines._base import ENGINES, Package, Run
from tenfold.runtimes.engines.eager import Eager, laid_out, pinned


class Compiled(Eager):
    """The model is compiled at the first run, which takes from seconds to minutes."""

    name = "compile"
    label = "torch.compile, channels last"
    quick = False

    def unavailable(self) -> str | None:
        """A missing C++ compiler, or None."""
        if not any(map(shutil.which, ("c++", "g++", "clang++", "cl"))):
            return "no C++ compiler, which torch.compile needs; install g++ or clang++"
        return None

    def load(self, package: Package, example: Any, threads: int) -> Run:
        """A compiled copy, compiled anew for each shape."""
        torch.compiler.reset()  # each shape compiles anew, within the limit on recompilations
        inputs = laid_out(copied(example), self.memory_format)
        compiled: Any = torch.compile(copy.deepcopy(package.content), dynamic=False)
        return pinned(lambda: invoke(compiled, inputs), threads)


ENGINES.add("compile", Compiled())
