"""ONNX Runtime on the CPU, whose files are ONNX."""

from tenfold.runtimes.onnxruntime.runtime import OnnxRuntime

__all__ = ["OnnxRuntime"]
