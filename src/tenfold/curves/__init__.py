"""Survey, Metric -> what each site costs and loses at every rank of each format."""

from tenfold.curves.damage import divergence, measure_damages
from tenfold.curves.trace import Curve, Step, cheapest_curves, plain_damage, trace_curves

__all__ = [
    "Curve",
    "Step",
    "cheapest_curves",
    "divergence",
    "measure_damages",
    "plain_damage",
    "trace_curves",
]
