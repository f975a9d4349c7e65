"""model, model', Plan, inputs -> model': each factored layer fitted to the original's outputs."""

from tenfold.reconstruct.stage import reconstruct

__all__ = ["reconstruct"]
