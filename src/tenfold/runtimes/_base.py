"""What a runtime is: it is given a network, loads it and runs it, and may write int8; a new one is
one new file."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tenfold.errors import bad_value
from tenfold.machine.files import bytes_in
from tenfold.runtimes.axes import Axes

Run = Callable[[], Any]  # one forward pass on inputs that lie ready; returns the outputs
Loaded = Callable[[Any], Run]  # an example -> a run on it


@dataclass(frozen=True)
class Deployed:
    """What a runtime loads, a file's path or the module itself; its size on disk in bytes; and
    whether it serves other batch sizes than the example's."""

    content: Any
    bytes: int
    dynamic: bool


class Runtime(ABC):
    """Stateless. ``packages`` are the modules that it imports, ``extra`` is the extra of tenfold
    that brings them; ``quick`` runtimes prepare a network in seconds, so ``tenfold bench`` times
    them unasked; ``timed`` ones are engines."""

    name: ClassVar[str]  # as in latency=0.5@onnxruntime
    label: ClassVar[str]  # for tables
    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    quick: ClassVar[bool] = True
    timed: ClassVar[bool] = True

    def unavailable(self) -> str | None:
        """What is missing here and how to get it, in one sentence, or None."""
        for package in self.packages:
            if importlib.util.find_spec(package) is None:
                way_out = f"install it with pip install 'tenfold[{self.extra}]'"
                return self.lacks(f"the package {package}", way_out)
        return None

    def lacks(self, what: str, way_out: str) -> str:
        """The sentence about something that is missing."""
        return f"The runtime {self.name} needs {what}, but found none; {way_out}."

    def unreadable(self) -> str | None:
        """Why this machine cannot run what the runtime is given, as "coreml runs on macOS only",
        or None."""
        return None

    def version(self) -> str:
        """The runtime's version, which a latency holds for: by default that of the first of its
        packages, or torch's."""
        return version_of(self.packages[0]) if self.packages else str(torch.__version__)

    @abstractmethod
    def deploy(self, model: nn.Module, example: Any, folder: Path) -> Deployed:
        """The model for inputs like the example; what is written lies in the folder, which is
        empty. ``model`` is not changed."""

    def load(self, content: Any, threads: int = 1, structure: nn.Module | None = None) -> Loaded:
        """What was deployed, in so many threads; files may be removed afterwards. ``structure``
        is a module such as was written, for files that hold weights alone.

        Outputs of a run may be overwritten by the next. Raises InputError where it cannot run.
        """
        raise self.not_run()

    def not_run(self) -> Exception:
        """The InputError of a runtime that cannot run here."""
        reason = self.unreadable() or f"{self.name} has no way to load one"
        return bad_value(
            "A runtime must run networks here to be timed", f"that {reason}", "choose another"
        )


class Int8(ABC):
    """Writes files that the runtime loads as it does float ones; stateless."""

    @abstractmethod
    def prepare(self, model: nn.Module, example: Any, folder: Path) -> Any:
        """What all variants share; ``folder`` is for files and goes away afterwards."""

    @abstractmethod
    def variants(self, state: Any) -> tuple[str, ...]:
        """Ways to choose ranges and layers, of which ``tenfold.quantise`` keeps the one that is
        closest to the model."""

    @abstractmethod
    def write(self, state: Any, inputs: Sequence[Any], variant: str, path: Path) -> None:
        """Quantise on ``inputs``, batches of one size, into ``path``."""


class FileRuntime(Runtime):
    """A runtime that reads files, or folders, of a kind.

    ``file`` is the name of the kind, by default the runtime's; ``fuses`` says whether the file may
    hold a fused model, ``int8`` how one with int8 weights is written.
    """

    file: ClassVar[str] = ""
    suffix: ClassVar[str]
    fuses: ClassVar[bool] = True
    int8: ClassVar[Int8 | None] = None

    @abstractmethod
    def write(self, model: nn.Module, example: Any, path: Path, sizes: bool = True) -> Axes:
        """Write ``path`` and, where the kind has several files, others of the same stem; returns
        which sizes of the inputs stay open. ``sizes`` is False where the batch alone may. Raises
        InputError."""

    def write_chain(self, layers: Sequence[nn.Module], example: Tensor, path: Path) -> bool:
        """Write stock layers in a row in milliseconds, as the graph that ``write`` would make of
        them; returns False where the runtime has no such way."""
        return False

    def deploy(self, model: nn.Module, example: Any, folder: Path) -> Deployed:
        """A file in the folder."""
        path = folder / f"net{self.suffix}"
        axes = self.write(model, example, path)
        return Deployed(path, bytes_in(folder), axes.batch)


def version_of(distribution: str) -> str:
    """Installed version of a distribution."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"
