"""model, example -> Survey: the layers that can be factored, and why the others cannot."""

from tenfold.survey.stage import check_finite, describe, survey

__all__ = ["check_finite", "describe", "survey"]
