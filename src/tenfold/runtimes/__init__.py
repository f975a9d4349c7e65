"""Where networks run, one file or folder a runtime: how each is given a network, loads it, runs
it and rounds it to int8."""

from tenfold.runtimes._base import Deployed, FileRuntime, Int8, Loaded, Run, Runtime
from tenfold.runtimes._names import (
    ENGINES,
    FILES,
    INT8,
    RUNTIMES,
    check_available,
    check_installed,
)
from tenfold.runtimes.axes import Axes

__all__ = [
    "ENGINES",
    "FILES",
    "INT8",
    "RUNTIMES",
    "Axes",
    "Deployed",
    "FileRuntime",
    "Int8",
    "Loaded",
    "Run",
    "Runtime",
    "check_available",
    "check_installed",
]
