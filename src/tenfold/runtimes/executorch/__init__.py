"""ExecuTorch with the XNNPACK delegate, for phones and boards; it also runs in this process."""

from tenfold.runtimes.executorch.runtime import ExecuTorch

__all__ = ["ExecuTorch"]
