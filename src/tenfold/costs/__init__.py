"""What a budget can limit, one file a cost; a new file that registers itself is found."""

from tenfold.costs._base import COSTS, Cost

__all__ = ["COSTS", "Cost"]
