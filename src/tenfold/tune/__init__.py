"""model', model, data -> model': the same structure, better weights, by distillation."""

from tenfold.tune.few import GENTLE, Blends
from tenfold.tune.loop import Tuned, tune
from tenfold.tune.read_settings import read_settings
from tenfold.tune.settings import TuneSettings

__all__ = ["GENTLE", "Blends", "TuneSettings", "Tuned", "read_settings", "tune"]
