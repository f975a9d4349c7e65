"""A hook of mkdocs: links that lead out of ``docs/`` also work on the site.

In the repository ``../benchmarks/results/x.svg`` leads to a picture. A site has no such folder
above it: pictures are copied into it, links to other files lead to the repository.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

LINK_UP = re.compile(r"(?<=\]\()(?:\.\./)+[\w./-]+")
PICTURES = (".svg", ".png")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with its links out of ``docs/`` changed; others, and broken ones, stay."""
    docs = Path(config.docs_dir)
    folder = posixpath.dirname(page.file.src_uri)

    def follow(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(docs.name, folder, link[0]))
        source = docs.parent / path
        if path.startswith(f"{docs.name}/") or not source.exists():
            return link[0]
        if source.suffix not in PICTURES:
            return f"{config.repo_url}/blob/main/{path}"
        if files.get_file_from_path(path) is None:
            files.append(File.generated(config, path, abs_src_path=str(source)))
        return posixpath.relpath(path, folder or ".")

    return LINK_UP.sub(follow, markdown)
