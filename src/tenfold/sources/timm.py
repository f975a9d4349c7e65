"""``timm:NAME``: a network of PyTorch Image Models, with its trained weights."""

from __future__ import annotations

from typing import Any

from torch import nn

from tenfold.sources._base import SOURCES, Source, noise
from tenfold.sources._hub import check_known, fetching, hub_within_reach, name_in


class Timm(Source):
    """The example has the size that the network was trained on."""

    form = "timm:NAME"
    prefix = "timm:"
    packages = ("timm",)
    extra = "timm"

    def model(self, text: str, trained: bool = True) -> tuple[nn.Module, Any]:
        """In evaluation mode. Raises InputError for an unknown name, and where trained weights
        cannot be had."""
        import timm

        name = name_in(text)
        # hf-hub:OWNER/NAME is timm's own way to name what it does not list
        if not name.startswith(("hf-hub:", "hf_hub:")):
            known = {*timm.list_models(), *timm.list_models(pretrained=True)}
            check_known("A network of timm", name, known, "timm.list_models()")
        with fetching(text), hub_within_reach():
            model = timm.create_model(name, pretrained=trained).eval()
        size = getattr(model, "pretrained_cfg", {}).get("input_size")
        return model, noise(model, (1, *size)) if size else None


SOURCES.add("timm", Timm())
