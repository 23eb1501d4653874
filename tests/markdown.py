"""The code in our pages: blocks with their language and what a comment says of them, and spans in the text.

A comment right before a block tells the tests what to make of it, and no reader of the page sees it:

- `<!-- not run: WHY -->`: the block needs what a test cannot have; the reason says what does run it.
- `<!-- file: NAME -->`: the block is a file of that name, which is written beside the commands of the page.
"""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]

RUNNABLE: Final = frozenset({"sh", "console", "python"})
"""Commands; commands after `$` with what they print; a program."""

_FENCE: Final = re.compile(r"^ *```(\S*)\s*$")
_MARK: Final = re.compile(r"^ *<!-- (not run|file): (.*) -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    page: str
    """The page's path from the root of the repository."""
    line: int
    """Where the block's first line is, from 1."""
    language: str
    text: str
    not_run: str = ""
    """Why it is not run; empty where it is."""
    file: str = ""
    """The name of the file that it is; empty where it is none."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page, in order."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    found = []
    start: int | None = None
    for number, line in enumerate(lines):
        if not (fence := _FENCE.match(line)):
            continue
        if start is None:
            start, language = number, fence[1]
            continue
        mark = _MARK.match(lines[start - 1])
        marked = {mark[1].replace(" ", "_"): mark[2]} if mark else {}
        text = textwrap.dedent("\n".join(lines[start + 1 : number])) + "\n"
        found.append(Block(page, start + 2, language, text, **marked))
        start = None
    return found


def spans(page: str) -> list[str]:
    """Return what stands between backticks in the text of a page, on one line each."""
    text = re.sub(r"^ *```.*?^ *```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


@dataclass(frozen=True)
class Command:
    """A command of a `console` block, and the lines that the page says it prints."""

    text: str
    printed: tuple[str, ...]


def commands(block: Block) -> list[Command]:
    """Return the commands of a `console` block."""
    _, *parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    split = [part.rstrip("\n").split("\n") for part in parts]
    return [Command(first, tuple(line for line in rest if line.strip())) for first, *rest in split]


def shape(line: str) -> str:
    """Return a line without what differs from run to run: its numbers, and the width of its columns."""
    return " ".join(re.sub(r"\d+(\.\d+)?", "0", line).split())


def is_printed(shown: str, printed: str) -> bool:
    """Return whether a line that a page shows is one that was printed, up to numbers; `…` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in shape(shown).split("…"))
    return re.fullmatch(pattern, shape(printed)) is not None
