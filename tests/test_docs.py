"""The README is run: every Python block in order, every tenfold command line."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tenfold.cli import main
from tests.test_cli import SOURCE

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    text = "\n".join(blocks("sh")).replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines() if line.startswith("tenfold ")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A directory with the files that the README speaks of."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(SOURCE)
    namespace = {}
    exec(SOURCE, namespace)
    save_file(namespace["make"]().state_dict(), "net.safetensors")
    return tmp_path


def test_python_examples_run(folder):
    assert len(blocks("python")) >= 2
    namespace = {}
    for block in blocks("python"):
        exec(block, namespace)
    x = namespace["example"]()
    with torch.no_grad():
        assert torch.equal(namespace["again"](x), namespace["result"].model(x))


def test_commands_run(folder):
    assert len(commands()) >= 5
    for words in commands():
        if words[1] != "demo":
            assert main(words[1:]) == 0, words


def test_the_two_commands_exist():
    makefile = (Path(__file__).parents[1] / "Makefile").read_text("utf-8")
    for line in "\n".join(blocks("sh")).splitlines():
        if line.startswith("make "):
            assert re.search(rf"^{line.split()[1]}:", makefile, re.MULTILINE)


def test_links_in_the_text_lead_somewhere():
    for path in re.findall(r"`((?:docs|benchmarks|research)/[\w./]+)`", README):
        assert (Path(__file__).parents[1] / path).exists(), path
