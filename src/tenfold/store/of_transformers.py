"""Networks of transformers: their configuration as files, and the network that one describes."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

from torch import nn

from tenfold.errors import MissingExtra

CONFIG, GENERATION = "config.json", "generation_config.json"


def build_untrained(config: Any) -> nn.Module:
    """The network that a configuration describes, with random weights."""
    cls = class_of(config)
    build = cls.from_config if hasattr(cls, "from_config") else cls._from_config
    return build(config)  # in the type of the configuration, which cls(config) is not


def class_of(config: Any) -> Any:
    """The class that the configuration names, for a task; AutoModel where it names none."""
    import transformers

    names = getattr(config, "architectures", None) or ()
    known = (getattr(transformers, name, None) for name in names)
    return next((cls for cls in known if cls is not None), transformers.AutoModel)


def texts_of(model: nn.Module) -> dict[str, str]:
    """The files, by name, from which ``load_pretrained`` builds a network; none for networks that
    are not of transformers."""
    config: Any = getattr(model, "config", None)
    if not hasattr(config, "to_diff_dict"):
        return {}
    values = {
        **json.loads(config.to_json_string()),
        "architectures": [type(model).__name__],
        "dtype": str(model.dtype).removeprefix("torch."),
    }
    texts = {CONFIG: json.dumps(values, indent=1) + "\n"}
    settings: Any = getattr(model, "generation_config", None)
    if hasattr(settings, "to_json_string"):
        texts[GENERATION] = settings.to_json_string()
    return texts


def check_transformers() -> None:
    """Raises MissingExtra."""
    if importlib.util.find_spec("transformers") is None:
        raise MissingExtra(
            "A network of transformers needs the package transformers, but found none; install it "
            "with pip install 'tenfold[transformers]'."
        )
