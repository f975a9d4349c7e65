"""A measured cost as a budget: a table of measured layers, filled where the search looks."""

from tenfold.latency.folder import write_folder
from tenfold.latency.pair import Pair, measure_pair, start_gauge
from tenfold.latency.ruler import Ruler
from tenfold.latency.settle import settle
from tenfold.latency.start import start_ruler
from tenfold.latency.table import Table, read_table, table_for

__all__ = [
    "Pair",
    "Ruler",
    "Table",
    "measure_pair",
    "read_table",
    "settle",
    "start_gauge",
    "start_ruler",
    "table_for",
    "write_folder",
]
