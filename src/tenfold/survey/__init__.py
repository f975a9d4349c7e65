"""model, example -> Survey: which layers can be factored, and why the others cannot."""

from tenfold.survey.checks import check_finite
from tenfold.survey.stage import survey

__all__ = ["check_finite", "survey"]
