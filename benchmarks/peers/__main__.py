"""Other tools and tenfold on the same networks, under the same budgets, judged by the same code.

    TENFOLD_DATA=folder TENFOLD_NETWORKS=folder python -m benchmarks.peers
    python -m benchmarks.peers --networks demo --peers tenfold tensorly --costs params

Makes an environment for each tool in ``--venvs``, with torch shared, and runs each row in a process
of its own there. A tool that does not install is a row that says so. Rows of earlier calls stay.
Writes ``peers.json`` after each row; ``python -m benchmarks.peers.page`` makes the page of it.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.peers.budget import count
from benchmarks.peers.cases import METRICS, SHARES, load_case
from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.sentences import last_line
from benchmarks.peers.venvs import Uninstallable, prepare, surroundings, versions
from benchmarks.result_files import read_json, write_json
from tenfold.machine.timing import processor
from tenfold.runtimes import ENGINES

MINUTES = 40  # that a row may take
STEPS = 40  # of the short training
QUICK = {"networks": ["tiny"], "peers": ["tenfold", "whitened"], "steps": 0}


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    usual = [name for name in SHARES if name != "tiny"]
    parser.add_argument("--networks", nargs="+", choices=SHARES, default=usual)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--costs", nargs="+", choices=("params", "macs"))
    parser.add_argument("--steps", type=int, default=STEPS, help="of the short training")
    usual_folder = Path(tempfile.gettempdir()) / "tenfold-peers"
    parser.add_argument("--venvs", type=Path, default=usual_folder, help="where tools install")
    return read_arguments(parser, argv, QUICK)


def installed(
    names: Sequence[str], folder: Path
) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """The Python of each tool that installs, and what there is to say of every tool."""
    pythons: dict[str, str] = {}
    told: dict[str, dict[str, Any]] = {}
    for name in names:
        try:
            pythons[name] = prepare(PEERS[name], folder)
            told[name] = {"versions": versions(pythons[name], PEERS[name])}
        except Uninstallable as error:
            told[name] = {"failed": f"does not install: {error}"}
        print(f"{name}: {told[name]}", flush=True)
    return pythons, told


def launched(python: str, words: Sequence[str]) -> dict[str, Any]:
    """One row from a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "row.json"
        command = [python, "-m", "benchmarks.peers.one", *words, "--out", str(path)]
        try:
            done = subprocess.run(
                command, env=surroundings(), text=True, capture_output=True, timeout=60 * MINUTES
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"not done in {MINUTES} minutes"}
        return read_json(path) or {"failed": died(done)}


def died(done: subprocess.CompletedProcess[str]) -> str:
    """How a process ended that wrote no row."""
    if done.returncode < 0:
        return f"the process was ended by {signal.Signals(-done.returncode).name}"
    return last_line(done.stderr)


def original(name: str) -> dict[str, Any]:
    """What the network is before anybody shrinks it."""
    case = load_case(name)
    counts = {cost: count(case.model, case.example, cost) for cost in ("params", "macs")}
    before = round(float(case.outside.evaluate(case.model)), 2)
    return {"metric": METRICS[name], "before": before, **counts, "shares": case.shares}


def conditions() -> dict[str, Any]:
    """What the rows were measured on."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": 1,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnxruntime": ENGINES["onnxruntime"].version(),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Install, run, write after each row."""
    asked = arguments_of(argv)
    torch.set_num_threads(1)
    path = asked.results / "peers.json"
    results = {"peers": {}, "networks": {}} | read_json(path)
    results |= {"command": "python -m benchmarks.peers", "conditions": conditions()}
    pythons, told = installed(asked.peers, asked.venvs)
    results["peers"] |= told
    for network in asked.networks:
        mine = results["networks"].setdefault(network, {"rows": {}})
        if "before" not in mine:
            mine |= original(network)
        for cost in asked.costs or mine["shares"]:
            rows = mine["rows"].setdefault(cost, {})
            for peer in asked.peers:
                words = ["--peer", peer, "--network", network, "--cost", cost]
                words += ["--steps", str(asked.steps)]
                absent = {"failed": told[peer].get("failed")}
                rows[peer] = launched(pythons[peer], words) if peer in pythons else absent
                print(network, cost, peer, rows[peer], flush=True)
                write_json(path, results)


if __name__ == "__main__":
    main()
