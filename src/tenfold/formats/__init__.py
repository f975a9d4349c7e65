"""The formats a layer can take, one file each; a new file that registers itself is found."""

from tenfold.formats._base import FORMATS, Format
from tenfold.formats._groups import states_of

__all__ = ["FORMATS", "Format", "states_of"]
