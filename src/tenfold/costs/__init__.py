"""What a budget can limit, one file a cost; a new file that registers itself is found."""

from tenfold.costs._base import WAY_OUT, Cost, Target
from tenfold.costs._counted import COSTS, CountedCost
from tenfold.costs._measured import MEASURED, MeasuredCost, Reading
from tenfold.errors import unknown_name

__all__ = [
    "COSTS",
    "MEASURED",
    "WAY_OUT",
    "Cost",
    "CountedCost",
    "MeasuredCost",
    "Reading",
    "Target",
    "cost_named",
]


def cost_named(name: str) -> Cost:
    """The counted or measured cost of this name. Raises InputError for an unknown one."""
    if name in MEASURED:
        return MEASURED[name]
    if name in COSTS:
        return COSTS[name]
    raise unknown_name("cost", name, (*COSTS, *MEASURED))
