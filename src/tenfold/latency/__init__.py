"""Latency as a budget: a table of measured layers, filled where the search looks."""

from tenfold.latency.folder import write_folder
from tenfold.latency.grid import fast_step
from tenfold.latency.ruler import Ruler
from tenfold.latency.settle import settle
from tenfold.latency.start import start_ruler
from tenfold.latency.table import Table, read_table

__all__ = [
    "Ruler",
    "Table",
    "fast_step",
    "read_table",
    "settle",
    "start_ruler",
    "write_folder",
]
