"""A file -> Moments: the second moment of each layer's inputs, by the name of its weight."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenfold.errors import as_bad_value, bad_value
from tenfold.formats.metric import Root
from tenfold.stream.read_checkpoint import Entry, entries_of, read_tensor


@dataclass(frozen=True)
class Weighing:
    """The root of a moment of mean eigenvalue 1, and the mean that it had."""

    root: Root | None = None
    scale: float = 1.0


PLAIN = Weighing()  # plain Frobenius


@dataclass(frozen=True)
class Moments:
    """Where each moment lies; ``entries`` is None where errors are plain."""

    entries: dict[str, Entry] | None = None

    @property
    def names(self) -> Collection[str] | None:
        """The weights that have one, or None where none is asked for."""
        return self.entries

    def seal(self) -> list[Any]:
        """What tells this file from another."""
        files = {entry.file for entry in (self.entries or {}).values()}
        return [[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in files]

    def weighing(self, weight: Entry) -> Weighing:
        """That of one weight ``(out, in)``: a moment ``(in, in)``, or ``(in,)`` of its diagonal.

        Raises InputError for one of another shape.
        """
        if self.entries is None:
            return PLAIN
        entry = self.entries[weight.name]
        if set(entry.shape) != {weight.shape[1]} or len(entry.shape) > 2:
            raise bad_value(
                "A moment must be (in, in), or (in,) of the diagonal, for a weight (out, in)",
                f"{entry.shape} for {weight.name} {weight.shape}",
                "write the mean of x xᵀ over the layer's inputs x",
            )
        moment = read_tensor(entry).double()
        mean = float((moment if moment.ndim == 1 else moment.diagonal()).mean())
        if not (0 < mean < float("inf") and bool(moment.isfinite().all())):
            raise bad_value(
                "A moment must be finite and above 0",
                f"{mean} as the mean of {weight.name}",
                "leave the layer out",
            )
        with as_bad_value(f"The moment of {weight.name} must have eigenvalues", "leave it out"):
            return Weighing(Root.of(moment / mean), mean)


def read_moments(path: str | Path | None, weights: Collection[str]) -> Moments:
    """The moments in a safetensors file; without one errors are plain. Raises InputError for a
    file that is none, or that names no weight of the checkpoint."""
    if path is None:
        return Moments()
    entries = {entry.name: entry for entry in entries_of(Path(path))}
    strange = sorted(set(entries) - set(weights))
    if strange:
        raise bad_value(
            "Moments must bear the names of weights in the checkpoint",
            strange[0],
            f"call them as {next(iter(weights), 'layer.weight')}",
        )
    return Moments(entries)
