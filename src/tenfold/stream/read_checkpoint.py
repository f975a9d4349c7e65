"""folder -> Checkpoint: name, type, shape and place on disk of every tensor, and no numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from tenfold.errors import bad_value
from tenfold.store.read_state import INDEX, file_of, shards_of

LENGTH = 8  # bytes that say how long the header is
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Entry:
    """One tensor on disk: from byte ``begin`` to ``end`` of its file. ``dtype`` is the format's
    own name, as ``"BF16"``."""

    name: str
    file: Path
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def bytes(self) -> int:
        """Its size on disk."""
        return self.end - self.begin

    @property
    def numel(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a folder by name, in the order of their files and names."""

    folder: Path
    entries: dict[str, Entry]

    def beside(self, name: str) -> list[str]:
        """Names of all tensors of the layer that a tensor belongs to."""
        start = name.rpartition(".")[0] + "."
        return [other for other in self.entries if other.startswith(start)]

    def seal(self) -> list[list[Any]]:
        """What tells this checkpoint from another: names, sizes and times of its files."""
        files = sorted({entry.file for entry in self.entries.values()})
        stats = [(file.name, file.stat()) for file in files]
        return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]


def read_checkpoint(folder: str | Path) -> Checkpoint:
    """The tensors of ``model.safetensors``, of the shards of its index, or of one such file.

    Raises InputError where there are none, or a file is damaged.
    """
    found = file_of(Path(folder))
    files = shards_of(found) if found.name.endswith(INDEX) else [found]
    entries: dict[str, Entry] = {}
    for entry in (entry for file in files for entry in entries_of(file)):
        if entry.name in entries:
            raise bad_value(
                "A checkpoint must hold each tensor once",
                f"{entry.name} in {entries[entry.name].file.name} and {entry.file.name}",
                "remove the shards of another checkpoint from the index",
            )
        entries[entry.name] = entry
    return Checkpoint(found.parent, entries)


def entries_of(file: Path) -> Iterator[Entry]:
    """The tensors of one file, by name. Raises InputError for one that is not whole."""
    for name, told in sorted(header_of(file).items()):
        begin, end = told["data_offsets"]
        yield Entry(name, file, told["dtype"], tuple(told["shape"]), begin, end)


def header_of(file: Path) -> dict[str, Any]:
    """What the file says of its tensors, with places counted from its first byte."""
    check_whole(file)
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(LENGTH), "little")
        header: dict[str, Any] = json.loads(opened.read(length))
    header.pop("__metadata__", None)
    for told in header.values():
        told["data_offsets"] = [LENGTH + length + place for place in told["data_offsets"]]
    return header


def check_whole(file: Path) -> None:
    """Raises InputError for another kind of file, or one that was cut short."""
    try:
        if file.suffix != SUFFIX:
            raise ValueError(f"a file of the kind {file.suffix}")
        with safe_open(file, framework="pt"):
            pass
    except (SafetensorError, OSError, ValueError) as error:
        raise bad_value(
            "A checkpoint read tensor by tensor must be whole safetensors files",
            f"{file} ({error})",
            "fetch it again, or convert it with safetensors.torch.save_model",
        ) from error


def read_tensor(entry: Entry) -> Tensor:
    """The numbers of one tensor, which let go of the file when they go."""
    with safe_open(entry.file, framework="pt") as file:
        tensor: Tensor = file.get_tensor(entry.name)
    return tensor
