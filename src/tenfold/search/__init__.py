"""Curves and a budget become one choice per site; a new method is one new file."""

from tenfold.search._base import METHODS, Found, Method
from tenfold.search._problem import Menu, Problem, make_problem

__all__ = ["METHODS", "Found", "Menu", "Method", "Problem", "make_problem"]
