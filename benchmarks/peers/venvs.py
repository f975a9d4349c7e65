"""An environment of its own for each tool, beside the one that runs this: torch is shared, nothing
is installed where tenfold lies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.catalogue import Peer
from benchmarks.peers.sentences import last_line

MINUTES = 20  # that an installation may take
VERSIONS = """
import json, sys
from importlib.metadata import version
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


class Uninstallable(Exception):
    """Why a tool does not install, in a line."""


def prepare(peer: Peer, folder: Path) -> str:
    """The Python that has the tool. Raises Uninstallable."""
    if not peer.packages:
        return sys.executable
    home = folder / "-".join(name.replace("==", "_") for name in peer.packages)
    python = str(home / "bin" / "python")
    if (home / "ready").exists():
        return python
    try:
        make(home, python, peer.packages)
        checked([python, "-c", "".join(f"import {name}\n" for name in peer.imports)])
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise Uninstallable(reason(error)) from None
    (home / "ready").touch()
    return python


def make(home: Path, python: str, packages: Sequence[str]) -> None:
    """A fresh environment that sees this one's packages, and torch held where it is."""
    checked([sys.executable, "-m", "venv", "--clear", str(home)])
    own = checked([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
    Path(own.strip(), "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    held = home / "held.txt"
    held.write_text(f"torch=={version('torch').partition('+')[0]}\n")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    checked([*pip, "--constraint", str(held), *packages])


def checked(command: Sequence[str]) -> str:
    """What the command prints. Raises CalledProcessError, TimeoutExpired."""
    done = subprocess.run(
        command,
        check=True,
        text=True,
        capture_output=True,
        timeout=60 * MINUTES,
        env=surroundings(),
    )
    return done.stdout


def surroundings() -> Mapping[str, str]:
    """The environment, with what is imported here found by every tool's Python as well."""
    folders = [folder for folder in sys.path if folder and folder != sysconfig.get_path("purelib")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *folders])}


def reason(error: subprocess.CalledProcessError | subprocess.TimeoutExpired) -> str:
    """The last thing that was said, without this machine's paths."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"not done in {MINUTES} minutes"
    return last_line(error.stderr or error.stdout or f"exit code {error.returncode}")


def versions(python: str, peer: Peer) -> Mapping[str, str]:
    """Installed versions of the tool's packages."""
    names = [package.partition("==")[0] for package in peer.packages]
    return json.loads(checked([python, "-c", VERSIONS, *names]))
