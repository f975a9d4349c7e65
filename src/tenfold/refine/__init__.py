"""model, model', Plan, inputs -> Plan, model': ranks and factors of all layers trained together."""

from tenfold.refine.stage import refine

__all__ = ["refine"]
