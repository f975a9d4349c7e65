"""model, example -> Sensed: second moments from synthetic inputs or a calibration."""

from tenfold.sense.stage import Sensed, sense

__all__ = ["Sensed", "sense"]
