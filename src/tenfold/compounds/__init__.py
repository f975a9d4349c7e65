"""Modules that hold several weights, opened into stock layers; one file a compound, and a new file
that registers itself is found."""

from tenfold.compounds._base import COMPOUNDS, Compound, Opened
from tenfold.compounds._open import (
    closed_names,
    compound_of,
    finish_all,
    inside,
    open_all,
    open_for,
    open_named,
    opened_names,
)

__all__ = [
    "COMPOUNDS",
    "Compound",
    "Opened",
    "closed_names",
    "compound_of",
    "finish_all",
    "inside",
    "open_all",
    "open_for",
    "open_named",
    "opened_names",
]
