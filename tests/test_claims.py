"""Every claim runs with ``--quick``, is stated in the README or a guide, and research imports."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
    *sorted((ROOT / "research").glob("*/*.md")),
]
LAUNCHED = "distributed"  # starts processes of its own, so it may as well be one


def modules(package):
    """Dotted names of the files of a package; those that begin with _ are parts of others."""
    files = sorted((ROOT / package.replace(".", "/")).glob("[!_]*.py"))
    return [f"{package}.{file.stem}" for file in files]


CLAIMS = modules("benchmarks.claims")
RESEARCH = modules("research.recovery")


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """The one claim that runs from the command line, beside the tests that come before its own."""
    results = tmp_path_factory.mktemp(LAUNCHED)
    command = [sys.executable, "-m", f"benchmarks.claims.{LAUNCHED}", "--quick"]
    process = subprocess.Popen(
        [*command, "--results", str(results)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process, results
    process.kill()
    process.wait()


@pytest.fixture
def unchanged(monkeypatch):
    """Scripts are free to set threads, logging and the cache folder of their process."""
    monkeypatch.setenv("TENFOLD_CACHE", os.environ["TENFOLD_CACHE"])
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", [name for name in CLAIMS if not name.endswith(f".{LAUNCHED}")])
def test_a_claim_runs_quickly(name, launched, unchanged, tmp_path):
    importlib.import_module(name).main(["--quick", "--results", str(tmp_path)])
    assert list(tmp_path.glob("*.json"))


def test_a_claim_runs_quickly_from_the_command_line(launched):
    process, results = launched
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert list(results.glob("*.json"))


def test_a_quick_run_writes_nothing_into_the_results():
    from benchmarks.arguments import claim_parser, read_arguments
    from benchmarks.result_files import RESULTS

    assert read_arguments(claim_parser(""), [], {}).results == RESULTS
    assert RESULTS not in read_arguments(claim_parser(""), ["--quick"], {}).results.parents


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_stated_somewhere(name):
    assert any(module == name for module, _ in commands())


def test_commands_in_the_pages_are_understood():
    assert len(commands()) >= 20
    for name, words in commands():
        if not needs_triton(name):
            importlib.import_module(name).arguments_of(words)


@pytest.mark.parametrize("name", RESEARCH)
def test_research_imports(name):
    if needs_triton(name):
        pytest.importorskip("triton")
    importlib.import_module(name)


def test_benchmarks_do_not_need_research():
    for file in (ROOT / "benchmarks").rglob("*.py"):
        assert not re.search(r"^\s*(from|import) research", file.read_text(), re.MULTILINE), file


def needs_triton(name):
    """Whether a module compiles kernels for a GPU on import, which a CPU build of torch cannot."""
    if importlib.util.find_spec("triton"):
        return False
    return name.endswith((".separable", ".check_composed"))


def commands():
    """Module and arguments of every ``python -m`` command in the pages."""
    parsed = []
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            parsed += commands_in(block)
        for line in re.findall(r"`(python -m [^`\n]+)`", page.read_text("utf-8")):
            parsed += commands_in(line)
    return [(name, words) for name, words in parsed if name in {*CLAIMS, *RESEARCH}]


def commands_in(text):
    """Those in one block, with its shell variables expanded."""
    variables, parsed = {}, []
    for line in text.replace("\\\n", " ").splitlines():
        assignment = re.fullmatch(r'([A-Z]+)="(.*)"(?:\s+#.*)?', line.strip())
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        if assignment:
            name, value = assignment.groups()
            variables[name] = value.replace(f"${name}", variables.get(name, ""))
            continue
        words = shlex.split(line, comments=True)
        if "-m" in words:
            at = words.index("-m")
            parsed.append((words[at + 1], words[at + 2 :]))
    return parsed
