"""What an exporter is: it writes a model to a file, and reads the file as a function again."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from tenfold.registry import Registry

Runner = Callable[[Any], Any]  # from an example to the outputs, as the model takes and gives them


class Exporter(ABC):
    """One kind of file. Stateless; ``tenfold.export`` checks what it wrote.

    ``fuses`` says whether the file may hold a fused model; ``packages`` are the modules it
    imports, ``extra`` the extra of tenfold that brings them.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    fuses: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""

    def unavailable(self) -> str | None:
        """The sentence that says which package is missing and how to get it, or None."""
        for package in self.packages:
            if importlib.util.find_spec(package) is None:
                return (
                    f"Exporting to {self.name} needs the package {package}, but found none; "
                    f"install it with pip install 'tenfold[{self.extra}]'."
                )
        return None

    @abstractmethod
    def write(self, model: nn.Module, example: Any, path: Path) -> bool:
        """Write ``path`` and, where the kind has several files, others of the same stem; returns
        whether they serve other batch sizes than the example's."""

    @abstractmethod
    def read(self, path: Path, structure: nn.Module | None = None) -> Runner:
        """The file as a function of an example. ``structure`` is a module such as was written,
        for files that hold weights alone."""


EXPORTERS: Registry[Exporter] = Registry("exporter", "tenfold.runtimes.exporters")
