"""model, model', Plan, inputs -> Plan, model': ranks and factors of all layers trained together."""

from tenfold.build.refine.stage import refine

__all__ = ["refine"]
