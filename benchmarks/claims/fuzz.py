"""Damaged files in great number: each loads, or is refused in one sentence, in time and in memory.

    python -m benchmarks.claims.fuzz [--inputs 100000] [--seed 0] [--only plan]

Real files that tenfold writes of a tiny network, ``benchmarks/fuzzing/real_files.py``, are damaged
at random, structure and bytes alike, and used as a person would. Any other exception, a sentence of
several lines, more than 5 s, more than 512 MB or a file left behind is a fault, and so is a process
that dies. Writes ``fuzz.json``: counts by kind, and every fault with its kind and number. ``--only
KIND --first NUMBER --inputs 1 --results FOLDER`` repeats one; ``--only`` alone tries one kind anew.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import shutil
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

import safetensors
import torch
import yaml

import tenfold
from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.fuzzing.attempt import LOADED, REFUSED, attempt, limit_memory
from benchmarks.fuzzing.kinds import KINDS
from benchmarks.fuzzing.real_files import write_all
from benchmarks.result_files import read_json, write_json

QUICK = {"inputs": 100}
CHUNK = 1000  # inputs a process
PATIENCE = 60.0  # seconds after which a process that says nothing is given up
DIED, SILENT = "the process died", "the process was silent"
SUMMED = ("inputs", LOADED, REFUSED, "fault")
FORKED = get_context("fork")


def try_one(name: str, number: int, seed: int, real: Path, folder: Path) -> str:
    """Damage a copy of the real files, and use it."""
    kind = KINDS[name]
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(real / kind.folder, folder, copy_function=os.link)
    kind.damage(folder, Random(f"{seed} {name} {number}"))
    return attempt(kind.use, folder, kind.output)


def try_many(say: Connection, name: str, numbers: Sequence[int], seed: int, real: Path) -> None:
    """What a process of its own does."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    limit_memory()
    with tempfile.TemporaryDirectory(dir=real.parent) as inside:
        for number in numbers:
            say.send(try_one(name, number, seed, real, Path(inside) / "given"))
    say.close()


def outcomes(name: str, numbers: Sequence[int], seed: int, real: Path) -> Iterator[tuple[int, str]]:
    """Every number with what came of it; a process that dies or is silent is a fault, and the next
    one goes on after it."""
    rest = list(numbers)
    while rest:
        listen, say = FORKED.Pipe(duplex=False)
        child = FORKED.Process(target=try_many, args=(say, name, rest[:CHUNK], seed, real))
        child.start()
        say.close()
        for number in rest[:CHUNK]:
            rest.remove(number)
            found = heard(listen)
            yield number, found
            if found in (DIED, SILENT):
                break
        child.kill()
        child.join()


def heard(listen: Connection) -> str:
    """The next outcome that a process tells."""
    try:
        return str(listen.recv()) if listen.poll(PATIENCE) else SILENT
    except EOFError:
        return DIED


def warm_up(real: Path) -> None:
    """Use the undamaged files once, for what libraries take once is no file's fault."""
    for name, kind in KINDS.items():
        folder = real.parent / f"warm-{name}"
        shutil.copytree(real / kind.folder, folder)
        found = attempt(kind.use, folder, kind.output)
        if found != LOADED and not found.startswith("it "):
            raise RuntimeError(f"{name}, not damaged: {found}")


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="of all kinds together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=sorted(KINDS), help="one kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first input of a kind")
    return read_arguments(parser, argv, QUICK)


def try_kind(name: str, count: int, asked: argparse.Namespace, real: Path) -> dict[str, Any]:
    """Counts and faults of one kind; faults are printed as they are found."""
    counts: Counter[str] = Counter()
    faults: list[dict[str, Any]] = []
    began = time.perf_counter()
    for number, found in outcomes(name, range(asked.first, asked.first + count), asked.seed, real):
        counts[found if found in (LOADED, REFUSED) else "fault"] += 1
        if found not in (LOADED, REFUSED):
            faults.append({"number": number, "found": found})
            print(name, number, found, flush=True)
    spent = round(time.perf_counter() - began, 1)
    print(f"{name}: {dict(counts)} in {spent} s", flush=True)
    return {"inputs": count, **counts, "seconds": spent, "faults": faults}


def versions() -> dict[str, str]:
    """Of everything that reads the files."""
    return {
        "tenfold": tenfold.__version__,
        "torch": str(torch.__version__),
        "safetensors": safetensors.__version__,
        "yaml": yaml.__version__,
        "python": platform.python_version(),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Write the real files, damage them, count, write."""
    asked = arguments_of(argv)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    shares = {name: KINDS[name].share for name in ([asked.only] if asked.only else KINDS)}
    counts = {n: round(asked.inputs * share / sum(shares.values())) for n, share in shares.items()}
    with tempfile.TemporaryDirectory() as folder:
        real = Path(folder) / "real"
        real.mkdir()
        write_all(real)
        warm_up(real)
        file = asked.results / "fuzz.json"
        kinds: dict[str, Any] = read_json(file).get("kinds", {}) if asked.only else {}
        for name, count in counts.items():
            kinds[name] = try_kind(name, count, asked, real)
            write_json(file, summary(kinds, asked))  # the rest may take an hour
    print(summary(kinds, asked)["totals"])


def summary(kinds: Mapping[str, Any], asked: argparse.Namespace) -> dict[str, Any]:
    """All kinds so far."""
    return {
        "command": f"python -m benchmarks.claims.fuzz --inputs {asked.inputs} --seed {asked.seed}",
        "totals": {k: sum(kind.get(k, 0) for kind in kinds.values()) for k in SUMMED},
        "kinds": kinds,
        "versions": versions(),
    }


if __name__ == "__main__":
    main()
