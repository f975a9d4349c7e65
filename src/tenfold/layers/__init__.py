"""The kinds of layer that can be factored, one file each; a new file that registers itself is
found."""

from tenfold.layers._base import LAYERS, Kind, by
from tenfold.layers._links import filled, is_link, links_of, put_weight
from tenfold.layers._pose import Posing, pose
from tenfold.layers._read import describe, kind_of, weight_of

__all__ = [
    "LAYERS",
    "Kind",
    "Posing",
    "by",
    "describe",
    "filled",
    "is_link",
    "kind_of",
    "links_of",
    "pose",
    "put_weight",
    "weight_of",
]
