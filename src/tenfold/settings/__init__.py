"""Settings: frozen values whose fields say what they are for and what they may be.

The command line's flags, a recipe's keys and their help are made from these fields.
"""

from tenfold.settings.check import check_settings, make_settings
from tenfold.settings.fields import setting
from tenfold.settings.planning import PlanSettings

__all__ = ["PlanSettings", "check_settings", "make_settings", "setting"]
