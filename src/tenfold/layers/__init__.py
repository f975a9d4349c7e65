"""The kinds of layer that can be factored, one file each; a new file that registers itself is
found."""

from tenfold.layers._base import LAYERS, WIDE, Kind, by
from tenfold.layers._pose import Posing, pose
from tenfold.layers._read import (
    describe,
    filled,
    is_link,
    kind_of,
    links_of,
    put_weight,
    weight_of,
    weights_of,
)
from tenfold.layers._ties import Place, Ties, only_looked_up, site_of, ties_of

__all__ = [
    "LAYERS",
    "WIDE",
    "Kind",
    "Place",
    "Posing",
    "Ties",
    "by",
    "describe",
    "filled",
    "is_link",
    "kind_of",
    "links_of",
    "only_looked_up",
    "pose",
    "put_weight",
    "site_of",
    "ties_of",
    "weight_of",
    "weights_of",
]
