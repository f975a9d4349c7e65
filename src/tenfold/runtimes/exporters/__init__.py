"""Files that other runtimes read, one file a kind; a new file that registers itself is found."""

from tenfold.runtimes.exporters._base import EXPORTERS, Exporter

__all__ = ["EXPORTERS", "Exporter"]
