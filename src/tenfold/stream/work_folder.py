"""What an unfinished run has done, in a folder beside its output: whole files, so that a run that
is killed goes on from them, and one of another checkpoint begins anew."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenfold.errors import bad_value
from tenfold.machine.files import explained, open_up, remove, replacing
from tenfold.machine.read_json import read_json
from tenfold.store.folder import PLAN
from tenfold.training.checkpoint import LOCK

SEAL = "source.json"
WHAT, WAY_OUT = "Unfinished work", "remove its folder to start over"


@dataclass(frozen=True)
class Work:
    """Where singular values, the plan and the parts of the output lie until all are there."""

    folder: Path

    @property
    def spectra(self) -> Path:
        """A file a matrix."""
        return self.folder / "spectra"

    @property
    def plan(self) -> Path:
        """The plan that the parts follow."""
        return self.folder / PLAN

    @property
    def out(self) -> Path:
        """What becomes the output."""
        return self.folder / "out"


def work_beside(target: Path) -> Work:
    """The work folder of an output."""
    return Work(target.with_name(f"{target.name}.unfinished"))


def open_work(work: Work, seal: Mapping[str, Any]) -> None:
    """Fill the folder, which is there and locked, or take it up where its seal is the same; what a
    killed run left half written goes. Raises InputError for a folder that no run has made."""
    inside = [path for path in work.folder.iterdir() if path.name != LOCK]
    if inside and not (work.folder / SEAL).is_file():
        raise bad_value(
            "The folder of unfinished work must be tenfold's",
            f"{work.folder} without {SEAL}",
            "remove it, or choose another output",
        )
    if inside and read_json(work.folder / SEAL, WHAT, WAY_OUT) != seal:
        for path in inside:
            remove(path)
    put(work.folder / SEAL, seal)
    for folder in (work.spectra, work.out):
        folder.mkdir(exist_ok=True)
    for half in list(work.folder.rglob(".tenfold.*")):
        remove(half)


def read_kept(work: Work) -> dict[str, Any]:
    """The plan of a run before, and the request that it is of; None for both without one, or where
    it is not as it was written."""
    nothing: dict[str, Any] = {"request": None, "plan": None}
    kept = read_json(work.plan, WHAT, WAY_OUT) if work.plan.exists() else nothing
    return kept if isinstance(kept, dict) and kept.get("sum") == sum_of(kept) else nothing


def keep_plan(work: Work, request: Any, plan: Any) -> None:
    """Write down what ``read_kept`` reads."""
    kept = {"request": request, "plan": plan}
    put(work.plan, {**kept, "sum": sum_of(kept)})


def sum_of(kept: Mapping[str, Any]) -> int:
    """By which a file that was changed is told."""
    return zlib.crc32(json.dumps([kept.get("request"), kept.get("plan")]).encode())


def put(path: Path, value: Any) -> None:
    """A JSON file in place of an older one, whole or not at all."""
    text = json.dumps(value, indent=1) + "\n"
    if path.exists() and path.read_text("utf-8") == text:
        return
    write_whole(path, lambda part: part.write_text(text, "utf-8"))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make the file, in place of an older one, whole or not at all."""
    with replacing(path) as part:
        write(part)


def hand_over(work: Work, target: Path) -> None:
    """The output takes its name, and the rest goes."""
    with explained(target):
        open_up(work.out)
        work.out.rename(target)
        shutil.rmtree(work.folder)
