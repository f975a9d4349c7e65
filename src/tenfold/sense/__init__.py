"""model, example -> Sensed: second moments and damages, from synthetic inputs or a calibration."""

from tenfold.sense.damage import divergence, measure_damages
from tenfold.sense.inputs import synthetic_inputs
from tenfold.sense.stage import Sensed, sense

__all__ = ["Sensed", "divergence", "measure_damages", "sense", "synthetic_inputs"]
