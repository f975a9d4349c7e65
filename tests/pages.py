"""The pages that people read, cut into the commands and the Python snippets that they show."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from string import Template

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (
    README,
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)
ASSIGNMENT = re.compile(r"[A-Z_]+=")


@dataclass(frozen=True)
class Shown:
    """A command's words, or a snippet's code, and the page that shows it."""

    page: str
    text: str

    def __str__(self):
        return f"{self.page}: {self.text.splitlines()[0]}"


def blocks(page, language):
    """The fenced blocks of one language, in order."""
    text = page.read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def snippets(page):
    """The Python blocks of a page."""
    return [Shown(page.relative_to(ROOT).as_posix(), code) for code in blocks(page, "python")]


def commands(page):
    """The commands in the shell blocks of a page, as a shell would see them: lines joined,
    comments gone, variables of the block filled in."""
    for block in blocks(page, "sh"):
        variables = {}
        for line in block.replace("\\\n", " ").splitlines():
            filled = Template(line.removeprefix("export ")).safe_substitute(variables)
            words = shlex.split(filled, comments=True)
            settings = [word for word in words if ASSIGNMENT.match(word)]
            command = [word for word in words if word not in settings and word != "..."]
            if command:
                yield Shown(page.relative_to(ROOT).as_posix(), shlex.join(command))
            else:
                variables.update(word.split("=", 1) for word in settings)
