"""``hf:NAME`` or ``hf:path/to/folder``: a network of transformers, with its trained weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from tenfold.errors import bad_value
from tenfold.sources._base import SOURCES, Source
from tenfold.sources._hub import fetching, hub_within_reach, name_in
from tenfold.sources._transformers_inputs import inputs_of
from tenfold.store.of_transformers import build_untrained, class_of

# What belongs beside the weights: tokenizers, processors, how to generate.
BESIDE = (
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "*.model",
    "*.tiktoken",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "*processor_config.json",
    "preprocessor_config.json",
    "normalizer.json",
)


class HuggingFace(Source):
    """The class is the one that the configuration names; the example has the sizes it states."""

    form = "hf:NAME or hf:path/to/folder"
    prefix = "hf:"
    packages = ("transformers",)
    extra = "transformers"

    def model(self, text: str, trained: bool = True) -> tuple[nn.Module, Any]:
        """In evaluation mode. Raises InputError where the weights cannot be had, or do not fill
        the network."""
        import transformers

        name = place_of(text)
        with fetching(text), hub_within_reach():
            config = transformers.AutoConfig.from_pretrained(name)
            if not trained:
                model = build_untrained(config)
            else:
                model, told = class_of(config).from_pretrained(name, output_loading_info=True)
                check_filled(text, told["missing_keys"], told.get("mismatched_keys", ()))
        return model.eval(), inputs_of(model)

    def example(self, model: nn.Module, sizes: Sequence[int]) -> Any:
        """The main input of these sizes, and what belongs to it."""
        return inputs_of(model, sizes)

    def files(self, text: str) -> tuple[Path, ...]:
        """Those of the tokenizer and the processor."""
        name = place_of(text)
        folder = Path(name)
        if not folder.is_dir():
            import huggingface_hub

            with fetching(text), hub_within_reach():
                folder = Path(huggingface_hub.snapshot_download(name, allow_patterns=list(BESIDE)))
        return tuple(sorted({file for each in BESIDE for file in folder.glob(each)}))


def place_of(text: str) -> str:
    """The name on the hub, or the folder. Raises InputError for a folder that is none."""
    name = name_in(text)
    folder = Path(name)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise bad_value(
            "A folder of transformers must hold config.json", f"none in {folder}", "check the path"
        )
    if not folder.is_dir() and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise bad_value("A folder of transformers must exist", f"no {folder}", "check the path")
    return name


def check_filled(text: str, missing: Iterable[str], misfits: Iterable[Any]) -> None:
    """Raises InputError where weights of the network are not in the files: they would be random."""
    lacking = sorted(map(str, [*missing, *misfits]))
    if lacking:
        raise bad_value(
            f"{text} must hold all weights of its network",
            f"none for {lacking[0]}" + f" and {len(lacking) - 1} more" * (len(lacking) > 1),
            "fine-tune and save it first, or correct architectures in its config.json",
        )


SOURCES.add("hf", HuggingFace())
