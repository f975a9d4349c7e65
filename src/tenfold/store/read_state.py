"""A checkpoint -> its tensors by name: safetensors, shards with an index, or torch's own files,
read without running anything in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tenfold.errors import InputError, bad_value
from tenfold.machine.read_json import read_json
from tenfold.store.check_pickle import check_pickle

INDEX = (".safetensors.index.json", ".bin.index.json")
IN_A_FOLDER = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


def read_state(path: str | Path) -> Any:
    """What a checkpoint holds: a mapping of tensors, or mappings that have some inside.

    ``path`` is a file, the index of several, or a folder with one of either. Raises InputError for
    a missing or damaged file, and for a pickle that holds more than tensors and plain values.
    """
    file = file_of(Path(path))
    if file.name.endswith(INDEX):
        return read_shards(file)
    return read_tensors(file) if file.suffix == ".safetensors" else read_pickle(file)


def file_of(path: Path) -> Path:
    """The file itself, or the one in a folder. Raises InputError where there is none."""
    if path.is_dir():
        for name in IN_A_FOLDER:
            if (path / name).is_file():
                return path / name
        raise bad_value(
            "A folder with weights must hold model.safetensors or its index",
            f"neither in {path}",
            "name the file",
        )
    if not path.is_file():
        raise bad_value("A weights file must exist", f"no {path}", "check the path")
    return path


def read_shards(index: Path) -> dict[str, Tensor]:
    """The tensors of all files that an index lists."""
    state: dict[str, Tensor] = {}
    for file in shards_of(index):
        state |= read_tensors(file) if file.suffix == ".safetensors" else read_pickle(file)
    return state


def shards_of(index: Path) -> list[Path]:
    """The files that an index lists, by name. Raises InputError where one is missing."""
    told = read_json(index, "An index of weights", "fetch it anew")
    listed = told.get("weight_map") if isinstance(told, Mapping) else None
    if not isinstance(listed, Mapping) or not all(isinstance(x, str) for x in listed.values()):
        raise bad_value(
            "An index of weights must be JSON with a weight_map", index, "fetch it anew"
        )
    files = sorted({index.parent / Path(name).name for name in listed.values()})
    for file in files:
        if not is_there(file):
            raise bad_value("All files of an index must exist", f"no {file}", "fetch it too")
    return files


def is_there(file: Path) -> bool:
    """Whether it is a file, under whatever name, also one that no file can have."""
    try:
        return file.is_file()
    except (OSError, ValueError):
        return False


def read_tensors(file: Path) -> dict[str, Tensor]:
    """A safetensors file. Raises InputError."""
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise bad_value(
            "Weights must be a whole safetensors file",
            f"{file} damaged ({error})",
            "fetch or save it again",
        ) from error


def read_pickle(file: Path) -> Any:
    """A file of torch.save, restricted to tensors and plain values. Raises InputError."""
    try:
        check_pickle(file)
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # on a file that is none of its own it trips over anything
        raise refused(file, error) from error


def refused(file: Path, error: Exception) -> InputError:
    """Why torch does not read a file: it is none of torch's, or it would run code."""
    said = str(error)
    more = next((x for x in said.splitlines() if "GLOBAL" in x or "Unsupported" in x), "")
    if more:
        content = f"{file} with more in it ({' '.join(more.split())[:200]})"
        way_out = "load it where you trust it, and save its tensors by safetensors.torch.save_model"
        return bad_value("A pickle must hold tensors and plain values alone", content, way_out)
    return bad_value(
        "Weights must be a safetensors file, or one of torch.save with tensors",
        f"{file} ({in_short(said) or type(error).__name__})",
        "convert with safetensors.torch.save_model(model, 'weights.safetensors')",
    )


def in_short(text: str) -> str:
    """The first line, at most 200 characters of it."""
    return (text.strip().splitlines() or [""])[0][:200]
