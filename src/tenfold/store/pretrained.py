"""Networks of transformers: a saved one is opened again from the configuration beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from tenfold.errors import as_bad_value, bad_value
from tenfold.store.folder import load
from tenfold.store.of_transformers import CONFIG, GENERATION, build_untrained, check_transformers


def load_pretrained(folder: str | Path) -> nn.Module:
    """A compressed network of transformers from the directory that ``tenfold.save``, or
    ``tenfold compress hf:...``, wrote: built from its ``config.json``, so that no architecture has
    to be passed, in evaluation mode. A language model generates as before.

    The tokenizer lies in the same directory: ``AutoTokenizer.from_pretrained(folder)``.

    Raises MissingExtra without transformers, InputError when files are missing or damaged,
    PlanError when they belong to different networks.
    """
    check_transformers()
    import transformers

    path = Path(folder)
    if not (path / CONFIG).is_file():
        raise bad_value(
            "A network of transformers must be saved with its configuration",
            f"no {path / CONFIG}",
            "pass the architecture to tenfold.load",
        )
    with as_bad_value(f"{path / CONFIG} must describe a network", "save the network again"):
        model = build_untrained(transformers.AutoConfig.from_pretrained(path))
    compressed = load(path, model)
    if (path / GENERATION).is_file():
        settings: Any = transformers.GenerationConfig.from_pretrained(path)
        compressed.generation_config = settings
    return compressed
