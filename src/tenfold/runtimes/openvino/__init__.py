"""OpenVINO on the CPU, whose files are its IR."""

from tenfold.runtimes.openvino.runtime import OpenVino

__all__ = ["OpenVino"]
