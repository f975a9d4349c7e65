"""The formats a layer can take, one file each; a new file that registers itself is found."""

from tenfold.formats._base import FORMATS, Format
from tenfold.formats._groups import states_of
from tenfold.formats._spectrum import CHUNK, gram, tail

__all__ = ["CHUNK", "FORMATS", "Format", "gram", "states_of", "tail"]
