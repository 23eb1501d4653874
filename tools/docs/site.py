"""The hooks of MkDocs: the pages that are made at build time, their order, and what is checked of the site.

MkDocs calls these functions by their names. Beside the pages in `docs/` the site has those of the repository, such as
CONTRIBUTING.md, and a reference of commands, contract and Python API.
"""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tools import ROOT
from tools.docs import links, llms
from tools.docs.pages import Section, arrange, title_of
from tools.docs.reference import commands, contract, http, python
from tools.docs.relink import relink, repository

_PROGRAMS: Final = {".go": "go", ".js": "js", ".mjs": "js", ".py": "python", ".sh": "sh"}
"""The languages of the programs that the site shows, by the endings of their files."""

_LOG: Final = logging.getLogger("mkdocs.plugins.lastlayer")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in `docs/`, and put all into their order."""
    for source, path in repository().items():
        files.append(File.generated(config, path, content=_read(ROOT / source)))
    for path, text in _reference().items():
        files.append(File.generated(config, path, content=text))
    texts = {file.src_uri: file.content_string for file in files.documentation_pages()}
    config.nav = _nav(arrange(texts), texts)
    files.append(File.generated(config, "llms.txt", content=llms.render(texts, lambda path: f"{path[:-3]}.html")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Fill in what is made at build time, and lead links to where the site has what they name."""
    markdown = markdown.replace("<!-- at build: python -->", python.page())
    # A diagram is drawn by a script of another host; what it shows is in the tree below it.
    markdown = re.sub(r"^```mermaid\n.*?^```\n", "", markdown, flags=re.DOTALL | re.MULTILINE)
    return relink(markdown, page.file.src_uri)


def on_post_template(output: str, template_name: str, config: MkDocsConfig) -> str:  # noqa: ARG001
    """Leave out the page of servers for what they do not find: its links need to know where the site is."""
    return "" if template_name == "404.html" else output


def on_post_build(config: MkDocsConfig) -> None:
    """Check the site; raises PluginError where a link leads nowhere."""
    site = Path(config.site_dir)
    found = links.check(site)
    for mistake in found.mistakes:
        _LOG.warning(mistake)
    if found.mistakes:
        raise PluginError(f"{len(found.mistakes)} links of the site are wrong.")
    _LOG.info("%d pages, %d links within the site, all of which lead somewhere", found.pages, found.links)


def _read(page: Path) -> str:
    """Return the text of a page of the repository; that of an example is followed by its programs."""
    parts = [page.read_text(encoding="utf-8")]
    if page.is_relative_to(ROOT / "examples"):
        for program in sorted(page.parent.iterdir()):
            if program.suffix in _PROGRAMS:
                code = program.read_text(encoding="utf-8").strip("\n")
                parts.append(f"\n## `{program.name}`\n\n````{_PROGRAMS[program.suffix]}\n{code}\n````\n")
    return "".join(parts)


def _reference() -> dict[str, str]:
    """Return the pages of the reference that are made at build time, by their paths."""
    found = {"reference/http.md": http.page(http.description())}
    found |= {f"reference/commands/{name}.md": text for name, text in commands.pages().items()}
    return found | {f"reference/grpc/{name}.md": text for name, text in contract.pages().items()}


def _nav(section: Section, texts: Mapping[str, str]) -> list[dict[str, object]]:
    nav: list[dict[str, object]] = [
        {"Home" if path == "index.md" else title_of(texts[path]): path} for path in section.pages
    ]
    return nav + [{below.title: _nav(below, texts)} for below in section.sections]
