"""folder -> Skeleton: which layers the network has, told by its classes without any weights."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from tenfold.runtimes.talk import quiet
from tenfold.store.of_transformers import CONFIG, build_untrained

SERVED = {nn.Linear: "linear", nn.Embedding: "embedding"}
LOOKS_LIKE_A_TABLE = ("embed", "wte", "wpe", "shared")


@dataclass(frozen=True)
class Skeleton:
    """Modules by name, and the layers with which each shares its weight; nothing where no class is
    known, and then layers are told by the names of their tensors."""

    modules: Mapping[str, nn.Module] = field(default_factory=dict)
    tied: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def kind(self, layer: str) -> str | None:
        """The kind of a layer that can be factored, or None."""
        if not self.modules:
            return "linear"
        module = self.modules.get(layer)
        return SERVED.get(type(module)) if module is not None else None

    def refuses(self, layer: str) -> str | None:
        """The sentence that says why a layer with a matrix has to stay, or None."""
        if not self.modules:
            return refuses_by_name(layer)
        if layer not in self.modules:
            return "the network has no layer of this name"
        if layer in self.tied:
            return f"its weight is also that of {', '.join(self.tied[layer])}"
        if getattr(self.modules[layer], "max_norm", None) is not None:
            return "its rows are shortened as they are looked up"
        if self.kind(layer) is None:
            return f"{type(self.modules[layer]).__name__} is factored in a network that is built"
        return None


def read_skeleton(folder: Path) -> Skeleton:
    """That of a folder of transformers, on a device without memory; an empty one elsewhere."""
    model = build_on_meta(folder)
    if model is None:
        return Skeleton()
    return Skeleton(dict(model.named_modules(remove_duplicate=False)), tied_layers(model))


def tied_layers(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """By layer the others that have its weight."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name.rpartition(".")[0])
    ties = [tie for tie in names.values() if len(tie) > 1]
    return {name: tuple(x for x in tie if x != name) for tie in ties for name in tie}


def build_on_meta(folder: Path) -> nn.Module | None:
    """The network that the configuration names, or None where nothing here knows it."""
    if not (folder / CONFIG).is_file() or importlib.util.find_spec("transformers") is None:
        return None
    import transformers

    try:
        with quiet(), torch.device("meta"):
            config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
            return build_untrained(config)
    except Exception:  # a class of its own code, or of a later version: names have to do
        return None


def refuses_by_name(layer: str) -> str | None:
    """Of tables a name tells too little: how they are read, and whether a head has their weight."""
    own = layer.rpartition(".")[2].lower()
    if any(word in own for word in LOOKS_LIKE_A_TABLE):
        return "its name is that of a table, and no known class says how it is read"
    return None
