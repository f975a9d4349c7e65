"""The README is run; the commands, snippets and paths of every page are checked."""

from __future__ import annotations

import ast
import re
import shlex
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import tenfold
from benchmarks.networks.residual import with_statistics
from tenfold.cli import main
from tenfold.demo import data
from tenfold.demo.network import DemoNetwork
from tenfold.sources import SOURCES
from tests.check_commands import check_command, examples_in_help
from tests.check_snippets import calls_of, check_calls, check_imports, free_names
from tests.pages import PAGES, README, ROOT, commands, snippets
from tests.test_cli import SOURCE

SLOW = {"plan", "compress", "tune", "sweep"}  # the README calls them for real
PATH = re.compile(r"`((?:docs|benchmarks|examples|research|src|tests|tools)/[\w./-]+)(?:::\w+)?`")
LINK = re.compile(r"\]\(([\w./-]+)(?:#[\w-]+)?\)")
MADE = ("command-line.md",)  # when the site is built


@pytest.fixture
def slim(monkeypatch):
    """The demo's network narrow and untrained, and few of its images: the README is run for what it
    does, not how well."""
    narrow = partial(DemoNetwork, 16)
    read = data.read_split
    monkeypatch.setattr(data, "read_split", lambda split: tuple(x[:1000] for x in read(split)))
    for place in ("tenfold.demo.network", "tenfold.sources.demo"):
        monkeypatch.setattr(
            f"{place}.load_network",
            lambda: with_statistics(narrow(), torch.randn(16, 1, 28, 28)),
        )
    monkeypatch.setattr("tenfold.demo.network.DemoNetwork", narrow)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A directory with the files that the pages speak of."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(SOURCE)
    namespace = {}
    exec(SOURCE, namespace)
    save_file(namespace["make"]().state_dict(), "net.safetensors")
    return tmp_path


def cases(shown):
    """A test case each, named by the page and what it shows."""
    return [pytest.param(item, id=str(item)) for item in shown]


def takes_a_package(source):
    """Whether a network comes from a package, and its weights from elsewhere; such commands are
    checked without being run."""
    return any(SOURCES[name].packages and SOURCES[name].claims(source) for name in SOURCES)


def test_python_examples_of_the_readme_run(folder, slim):
    shown = snippets(README)
    assert len(shown) >= 2
    namespace = {}
    for snippet in shown:
        exec(snippet.text, namespace)
    x = namespace["example"]()
    with torch.no_grad():
        assert torch.equal(namespace["again"](x), namespace["result"].model(x))


def test_commands_of_the_readme_run(folder, slim, stages_kept):
    lines = [shlex.split(command.text) for command in commands(README)]
    lines = [words for words in lines if words[0] == "tenfold" and words[1] != "demo"]
    here = [words for words in lines if not takes_a_package(words[2])]
    assert len(here) >= 5
    for words in here:
        assert main(words[1:]) == 0, words


@pytest.mark.parametrize("command", cases(c for page in PAGES for c in commands(page)))
def test_a_command_would_run(command):
    check_command(command.text)


@pytest.mark.parametrize("command", cases(examples_in_help()))
def test_an_example_in_a_help_text_would_run(command):
    check_command(command.text)


@pytest.mark.parametrize("snippet", cases(s for page in PAGES for s in snippets(page)))
def test_a_snippet_fits_the_library(snippet):
    tree = ast.parse(snippet.text)
    check_imports(tree)
    check_calls(tree)


@pytest.mark.parametrize("snippet", cases(s for page in PAGES for s in snippets(page)))
def test_a_quick_snippet_runs(snippet, folder):
    tree = ast.parse(snippet.text)
    if free_names(tree) or SLOW & {name for name, _ in calls_of(tree)}:
        pytest.skip("slow, or goes on from other code")
    exec(snippet.text, {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_paths_in_the_text_lead_somewhere(page):
    text = page.read_text("utf-8")
    paths = [(ROOT, path) for path in PATH.findall(text)]
    paths += [(page.parent, path) for path in LINK.findall(text) if path not in MADE]
    assert [path for folder, path in paths if not (folder / path).exists()] == []


def test_the_reference_has_every_public_name_once():
    pages = [page.read_text("utf-8") for page in PAGES if page.parent.name == "reference"]
    names = re.findall(r"^::: tenfold\.(\w+)$", "\n".join(pages), re.MULTILINE)
    assert sorted(names) == sorted(tenfold.__all__)


def test_the_changelog_has_this_version():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    version = re.search(r'^version = "(.+)"$', text, re.MULTILINE)[1]
    assert f"\n## [{version}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
