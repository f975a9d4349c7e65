"""Curves and a budget become a plan; a new method is one new file."""

from tenfold.search.methods._base import METHODS, Method, Outcome
from tenfold.search.problem import Menu, Problem, check_reachable, make_problem
from tenfold.search.select import predict, search

__all__ = [
    "METHODS",
    "Menu",
    "Method",
    "Outcome",
    "Problem",
    "check_reachable",
    "make_problem",
    "predict",
    "search",
]
