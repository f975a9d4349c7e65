"""A file of torch.save, looked through before torch reads it: what a damaged or a made-up one asks
memory for is more than any file holds."""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PICKLES = 5  # at the head of a file that is no archive: magic number, version, system, object, keys
NUMBERS = ("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4")
TEXTS = ("SHORT_BINUNICODE", "BINUNICODE", "UNICODE")
STORAGES = ("BINPERSID", "PERSID")
GROWS = "bytearray"  # of one number makes as many bytes


class Bounded(io.BufferedReader):
    """A file that is never asked for more bytes than it has: Python would make room for them."""

    def read(self, size: int | None = -1, /) -> bytes:
        left = Path(self.raw.name).stat().st_size - self.tell()  # type: ignore[attr-defined]
        return super().read(left if size is None or size < 0 else min(size, left))


def check_pickle(file: Path) -> None:
    """Raises ValueError, or what pickletools and zipfile raise, for a file whose texts, tensors or
    parts would be larger than the file."""
    size = file.stat().st_size
    for pickled in pickles_of(file):
        number, text = 0, ""
        for code, argument, _ in pickletools.genops(pickled):
            if code.name in NUMBERS:
                number = int(argument or 0)
            elif code.name in TEXTS:
                text = str(argument)
            elif code.name in STORAGES and not 0 <= number <= size:
                raise ValueError(f"a tensor of {number:,} numbers in {size:,} bytes")
            elif GROWS in named(code.name, argument, text):
                raise ValueError(f"Unsupported global: {GROWS}")


def named(code: str, argument: object, text: str) -> str:
    """The class or function that an operation names, if it names one."""
    if code == "STACK_GLOBAL":
        return text
    return str(argument) if code == "GLOBAL" else ""


def pickles_of(file: Path) -> Iterator[BinaryIO]:
    """Every pickle in it, at its beginning."""
    if zipfile.is_zipfile(file):
        yield from pickles_in(file)
        return
    with file.open("rb", buffering=0) as raw, Bounded(raw) as opened:
        for _ in range(PICKLES):
            yield opened


def pickles_in(file: Path) -> Iterator[BinaryIO]:
    """Those of an archive, whose parts must lie in it as they are."""
    with zipfile.ZipFile(file) as archive:
        for part in archive.infolist():
            if part.compress_type != zipfile.ZIP_STORED or part.file_size > file.stat().st_size:
                raise ValueError(f"{part.filename} is compressed, as torch.save writes nothing")
            if part.filename.endswith("data.pkl"):
                yield io.BytesIO(archive.read(part))
