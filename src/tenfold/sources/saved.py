"""``path/to/directory``: what ``tenfold compress`` or ``tenfold.save`` wrote, to go on from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from tenfold.errors import bad_value
from tenfold.machine.read_json import read_yaml
from tenfold.sources._base import SOURCES, Source, claiming, draw_example, noise, read_shape
from tenfold.sources._transformers_inputs import inputs_of
from tenfold.store.folder import PLAN, load
from tenfold.store.of_transformers import CONFIG
from tenfold.store.pretrained import load_pretrained

RECIPE = "recipe.yaml"


class Saved(Source):
    """Built on the source that is noted in it; one of transformers on its configuration."""

    form = "path/to/saved/directory"

    def claims(self, text: str) -> bool:
        """A directory with a plan in it."""
        return (Path(text) / PLAN).is_file()

    def model(self, text: str, trained: bool = True) -> tuple[nn.Module, Any]:
        """The compressed network with its weights, and the example that it was planned for. Raises
        InputError where nothing says what it was made of."""
        noted, own = read_noted(Path(text)), None
        if (Path(text) / CONFIG).is_file():
            model = load_pretrained(text)
            own = inputs_of(model)
        elif "source" in noted:
            source = claiming(noted["source"])
            source.check_packages()
            original, own = source.model(noted["source"], trained=False)
            model = load(text, original)
        else:
            raise bad_value(
                "A saved directory must say what its network was made of",
                f"no {RECIPE} in {text}",
                "write a function that calls tenfold.load, and name it as file.py:function",
            )
        if noted.get("example"):
            own = draw_example(self, model, read_shape(noted["example"]))
        return model, own

    def example(self, model: nn.Module, sizes: Sequence[int]) -> Any:
        """As transformers take it, or noise."""
        if hasattr(getattr(model, "config", None), "to_diff_dict"):
            return inputs_of(model, sizes)
        return noise(model, sizes)

    def files(self, text: str) -> tuple[Path, ...]:
        """Those of its own source that lie in it."""
        return SOURCES["hf"].files(f"hf:{text}") if (Path(text) / CONFIG).is_file() else ()


def read_noted(folder: Path) -> dict[str, str]:
    """The source and the example in the recipe of a saved directory, where it has one."""
    file = folder / RECIPE
    if not file.is_file():
        return {}
    noted = read_yaml(file, "A recipe")
    if not isinstance(noted, Mapping):
        raise bad_value("A recipe must be a mapping", type(noted).__name__, "write it again")
    return {key: str(noted[key]) for key in ("source", "example") if noted.get(key)}


SOURCES.add("saved", Saved())
