"""model, model', Plan, inputs -> model': each factored layer fitted to the original's outputs."""

from tenfold.build.reconstruct.stage import reconstruct

__all__ = ["reconstruct"]
