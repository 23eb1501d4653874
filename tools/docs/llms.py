"""`llms.txt`: all pages with a sentence each, for programs that read documentation (https://llmstxt.org)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools import ROOT
from tools.docs.pages import arrange, summary_of, title_of, written

_HEAD: Final = """# Lastlayer

> Lastlayer turns a dozen labelled photos into a working image classifier. A frozen ImageNet network turns each image
> into feature vectors once; all that is trained is a small logistic regression on them. It is used by a command line, a
> page in the browser, Python, HTTP or gRPC.

`pip install 'lastlayer[all]'`, `lastlayer up`, `client train photos/` (a folder with a sub-folder for each class), and
`client predict new.jpg` are all that is needed. `pip install lastlayer` brings the client alone.
"""


def contents() -> str:
    """Return `llms.txt` of the repository: the pages that are in it."""
    texts = {path: (ROOT / "docs" / path).read_text(encoding="utf-8") for path in written()}
    return render(texts, lambda path: (Path("docs") / path).as_posix())


def render(texts: Mapping[str, str], link: Callable[[str], str]) -> str:
    """Return `llms.txt` of pages, by their paths; `link` makes the address of a page from its path."""
    lines = [_HEAD]
    for section in arrange(texts).walk():
        if section.path and section.pages:
            lines.append(f"## {section.title}\n")
            for path in section.pages:
                summary = summary_of(texts[path])
                lines.append(f"- [{title_of(texts[path])}]({link(path)}){f': {summary}' if summary else ''}")
            lines.append("")
    return "\n".join(lines)
