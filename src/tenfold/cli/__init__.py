"""The command line; ``python -m tenfold`` is the same."""

from tenfold.cli._main import main

__all__ = ["main"]
