"""Runtimes that a network can be timed in; a new one is one new file."""

from tenfold.runtimes.engines._base import ENGINES, Engine, Package, check_available, version_of

__all__ = ["ENGINES", "Engine", "Package", "check_available", "version_of"]
