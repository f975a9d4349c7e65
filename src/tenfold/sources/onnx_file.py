"""``path/to/file.onnx``: a network in ONNX, converted by onnx2torch to layers of torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from tenfold.errors import as_bad_value, bad_value
from tenfold.runtimes.talk import quiet
from tenfold.sources._base import SOURCES, Source


class OnnxFile(Source):
    """The example has the sizes that the file fixes, a batch of one where it leaves it open."""

    form = "path/to/file.onnx"
    packages = ("onnx", "onnx2torch")
    extra = "onnx2torch"

    def claims(self, text: str) -> bool:
        """The suffix."""
        return text.endswith(".onnx")

    def model(self, text: str, trained: bool = True) -> tuple[nn.Module, Any]:
        """In evaluation mode. Raises InputError for a file that does not convert."""
        import onnx

        if not Path(text).is_file():
            raise bad_value("A source file must exist", f"no {text}", "check the path")
        way_out = "compress the network that it was exported from"
        with as_bad_value(f"{text} must convert through onnx2torch", way_out), quiet():
            import onnx2torch

            file = onnx.load(text)
            model = onnx2torch.convert(file).eval()
            return model, example_of(file.graph)


def example_of(graph: Any) -> Any:
    """Noise for every input; None where a size other than the batch is open."""
    stored = {each.name for each in graph.initializer}
    drawn = [input_of(each) for each in graph.input if each.name not in stored]
    if any(x is None for x in drawn):
        return None
    return drawn[0] if len(drawn) == 1 else tuple(drawn)


def input_of(each: Any) -> torch.Tensor | None:
    """Noise, or ones where whole numbers are taken."""
    import onnx

    kind = each.type.tensor_type
    sizes = [d.dim_value or (0 if axis else 1) for axis, d in enumerate(kind.shape.dim)]
    if not all(sizes):
        return None
    dtype = torch.from_numpy(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).type([0])).dtype
    return (
        torch.randn(sizes).to(dtype) if dtype.is_floating_point else torch.ones(sizes, dtype=dtype)
    )


SOURCES.add("onnx", OnnxFile())
