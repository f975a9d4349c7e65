"""``torchvision:NAME``: a network of torchvision, with its best trained weights."""

from __future__ import annotations

from typing import Any

from torch import nn

from tenfold.sources._base import SOURCES, Source, noise
from tenfold.sources._hub import check_known, fetching, name_in

DETECTS = ("rcnn", "retinanet", "fcos", "ssd")  # these take lists of images


class Torchvision(Source):
    """The example has the size that the weights are evaluated at."""

    form = "torchvision:NAME"
    prefix = "torchvision:"
    packages = ("torchvision",)
    extra = "torchvision"

    def model(self, text: str, trained: bool = True) -> tuple[nn.Module, Any]:
        """In evaluation mode. Raises InputError for an unknown name, and where trained weights
        cannot be had."""
        from torchvision import models

        name = name_in(text)
        known = models.list_models()
        check_known("A network of torchvision", name, known, "torchvision.models.list_models()")
        best = models.get_model_weights(name).DEFAULT
        with fetching(text):
            kept = {} if trained else {"weights_backbone": None} if backed(name) else {}
            model = models.get_model(name, weights=best if trained else None, **kept).eval()
        size = size_of(best.transforms())
        if size is None or any(part in name for part in DETECTS):
            return model, None
        frames = (16,) if name in models.list_models(models.video) else ()
        return model, noise(model, (1, 3, *frames, size, size))


def backed(name: str) -> bool:
    """Whether a network is built on another, which has weights of its own."""
    return any(part in name for part in (*DETECTS, "deeplab", "fcn_", "lraspp"))


def size_of(transforms: Any) -> int | None:
    """Height and width that a set of weights takes."""
    for name in ("crop_size", "resize_size"):
        size = getattr(transforms, name, None)
        if size:
            return int(max(size) if isinstance(size, (list, tuple)) else size)
    return None


SOURCES.add("torchvision", Torchvision())
