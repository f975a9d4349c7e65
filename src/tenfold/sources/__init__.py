"""Where models and data come from, one file a kind; a new file that registers itself is found."""

from tenfold.sources._base import SOURCES, Loaded, Source, open_data, open_model
from tenfold.sources.python_file import open_function

__all__ = ["SOURCES", "Loaded", "Source", "open_data", "open_function", "open_model"]
