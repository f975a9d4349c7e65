"""Curves and a budget become a plan; a new method is one new file."""

from tenfold.search._base import METHODS, Found, Method
from tenfold.search._predict import predict
from tenfold.search._problem import Menu, Problem, check_reachable, make_problem
from tenfold.search._select import search

__all__ = [
    "METHODS", "Found", "Menu", "Method", "Problem", "check_reachable", "make_problem", "predict",
    "search",
]  # fmt: skip
