"""Every runtime under its names: as an engine, and as the kind of file that it reads."""

from __future__ import annotations

from collections.abc import Iterator

from tenfold.errors import MissingExtra
from tenfold.registry import Registry, View
from tenfold.runtimes._base import FileRuntime, Int8, Runtime

RUNTIMES: Registry[Runtime] = Registry("runtime", "tenfold.runtimes")


def engines() -> Iterator[tuple[str, Runtime]]:
    """What networks can be timed in."""
    for name in sorted(RUNTIMES):
        if RUNTIMES[name].timed:
            yield name, RUNTIMES[name]


def files() -> Iterator[tuple[str, FileRuntime]]:
    """What files can be written for, by the name of the kind."""
    for name in sorted(RUNTIMES):
        runtime = RUNTIMES[name]
        if isinstance(runtime, FileRuntime):
            yield runtime.file or name, runtime


def int8_files() -> Iterator[tuple[str, Int8]]:
    """How int8 files are written, by the same names."""
    for name, runtime in files():
        if runtime.int8 is not None:
            yield name, runtime.int8


ENGINES: View[Runtime] = View("engine", engines)
FILES: View[FileRuntime] = View("exporter", files)
INT8: View[Int8] = View("int8 format", int8_files)


def check_available(name: str) -> Runtime:
    """The engine of this name. Raises InputError for an unknown one and for one that cannot run
    on this machine, MissingExtra when something that it needs is not installed."""
    engine = installed(ENGINES[name])
    if engine.unreadable():
        raise engine.not_run()
    return engine


def check_installed(kind: str) -> FileRuntime:
    """The runtime that reads files of this kind. Raises InputError for an unknown kind,
    MissingExtra when something that it needs is not installed."""
    runtime = FILES[kind]
    installed(runtime)
    return runtime


def installed(runtime: Runtime) -> Runtime:
    """The runtime itself. Raises MissingExtra."""
    missing = runtime.unavailable()
    if missing:
        raise MissingExtra(missing)
    return runtime
