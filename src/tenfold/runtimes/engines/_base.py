"""What an engine is: it packages a module as it would be deployed, loads that, and runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata, util
from typing import Any, ClassVar

from torch import nn

from tenfold.errors import MissingExtra
from tenfold.registry import Registry

Run = Callable[[], Any]  # one forward pass on prepared inputs; returns the outputs


@dataclass(frozen=True)
class Package:
    """What is deployed, and its size on disk in bytes."""

    content: Any
    bytes: int


class Engine(ABC):
    """One runtime. Stateless; threads and inputs are fixed when a package is loaded."""

    name: ClassVar[str]
    label: ClassVar[str]  # for tables
    quick: ClassVar[bool] = True  # prepares a network in seconds, so it is timed unasked

    @abstractmethod
    def unavailable(self) -> str | None:
        """What is missing here, with the command that gets it, or None."""

    @abstractmethod
    def version(self) -> str:
        """The runtime's version, which a latency holds for."""

    @abstractmethod
    def package(self, model: nn.Module, example: Any) -> Package:
        """The model as deployed for inputs of the example's shape; ``model`` is not changed."""

    @abstractmethod
    def load(self, package: Package, example: Any, threads: int) -> Run:
        """A call without arguments that runs the package on the example."""

    def prepare(self, model: nn.Module, example: Any, threads: int = 1) -> Run:
        """Package and load in one go."""
        return self.load(self.package(model, example), example, threads)


ENGINES: Registry[Engine] = Registry("engine", "tenfold.runtimes.engines")


def check_available(name: str) -> Engine:
    """The engine of this name. Raises InputError for an unknown one, MissingExtra when it is
    not installed."""
    engine = ENGINES[name]
    missing = engine.unavailable()
    if missing:
        raise MissingExtra(f"The engine {name!r} must be installed, but found {missing}.")
    return engine


def lacking(modules: tuple[str, ...], extra: str) -> str | None:
    """The sentence about the first of these modules that is not installed."""
    for module in modules:
        if util.find_spec(module) is None:
            return f"no {module}; pip install 'tenfold[{extra}]'"
    return None


def version_of(distribution: str) -> str:
    """Installed version of a distribution."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"
