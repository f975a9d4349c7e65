"""int8 files after training, one file a runtime; a new file that registers itself is found."""

from tenfold.runtimes.quantisers._base import QUANTISERS, Quantiser

__all__ = ["QUANTISERS", "Quantiser"]
