"""model', model, data -> model': the same structure, better weights, by distillation."""

from tenfold.data.augment import Blends
from tenfold.training.loop import Tuned, tune
from tenfold.training.read_settings import read_settings
from tenfold.training.settings import GENTLE, TuneSettings

__all__ = ["GENTLE", "Blends", "TuneSettings", "Tuned", "read_settings", "tune"]
