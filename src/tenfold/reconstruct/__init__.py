"""model, model', Plan, inputs -> model': each factored layer fitted to the outputs of the original."""

from tenfold.reconstruct.stage import reconstruct

__all__ = ["reconstruct"]
