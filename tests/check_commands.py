"""Whether a command that a page shows would run, told without running it."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

from typer.main import get_command

from tenfold.cli._main import app
from tenfold.latency.folder import SCRIPT
from tests.pages import ROOT, Shown


def check_command(line):
    """Fail where the program, the command, a flag or a file does not exist."""
    program, *words = shlex.split(line)
    PROGRAMS[Path(program).name](words)


def examples_in_help():
    """The commands that the help texts show."""
    for name, command in get_command(app).commands.items():
        for line in command.help.splitlines():
            if line.strip().startswith(("tenfold ", "python ")):
                yield Shown(f"tenfold {name} --help", line.strip())


def check_tenfold(words):
    """``tenfold ...``: the command exists and takes these arguments."""
    name, *rest = words
    get_command(app).commands[name].make_context(name, rest)


def check_python(words):
    """``python ...``: the script exists, or tenfold writes it; ``-m``: the module exists."""
    script, *rest = words
    if script == "-m":
        check_module(*rest)
    else:
        assert (ROOT / script).is_file() or Path(script).name == SCRIPT, script


def check_module(module, *words):
    """``python -m ...``"""
    if module in PROGRAMS:
        PROGRAMS[module](words)
    else:
        assert importlib.util.find_spec(module), module


def check_pytest(words):
    """``pytest ...``: the files exist, and the tests in them."""
    for word in words:
        path, _, test = word.partition("::")
        if "/" in path:
            assert (ROOT / path).exists(), path
            assert not test or f"def {test}(" in (ROOT / path).read_text("utf-8"), word


def check_pip(words):
    """``pip install 'tenfold[...]'``: the extras exist."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    section = text.split("[project.optional-dependencies]")[1].split("\n[")[0]
    extras = re.findall(r"^([\w-]+) = \[", section, re.MULTILINE)
    for names in re.findall(r"(?:tenfold|\.)\[([\w,-]+)\]", " ".join(words)):
        assert set(names.split(",")) <= set(extras), names


def check_make(words):
    """``make ...``: the targets exist."""
    text = (ROOT / "Makefile").read_text("utf-8")
    for target in (word for word in words if "=" not in word):
        assert re.search(rf"^{target}:", text, re.MULTILINE), target


def check_launched(words):
    """``torchrun ... -m tenfold ...``: what is launched."""
    check_python(words[words.index("-m") :])


def trust(words):
    """A program that knows nothing of tenfold."""


PROGRAMS = {
    "tenfold": check_tenfold,
    "python": check_python,
    "pytest": check_pytest,
    "pip": check_pip,
    "make": check_make,
    "torchrun": check_launched,
    "accelerate": check_launched,
    "build": trust,
    "git": trust,
    "pre-commit": trust,
}
