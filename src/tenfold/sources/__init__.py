"""Where models and data come from, one file a kind; a new file that registers itself is found."""

from tenfold.sources._base import SOURCES, Loaded, Source, open_data, open_model

__all__ = ["SOURCES", "Loaded", "Source", "open_data", "open_model"]
