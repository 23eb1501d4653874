"""Writes what is made from the code and kept in the repository, or checks that it is up to date.

That is parts of pages, `llms.txt`, and the tags of our images.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tools import ROOT, tags
from tools.docs import llms
from tools.docs.parts import PARTS, refresh


def main() -> int:
    """Write or check; the exit status is 0 where all is up to date."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=__doc__)
    parser.add_argument("action", choices=["write", "check"])
    action = parser.parse_args().action
    made: dict[Path, Callable[[str], str]] = {
        ROOT / page: partial(refresh, parts=parts) for page, parts in PARTS.items()
    }
    made |= dict.fromkeys(tags.files(), partial(tags.set_tags, version=tags.version()))
    made[ROOT / "llms.txt"] = lambda _: llms.contents()
    status = 0
    for file, make in made.items():
        old = file.read_text(encoding="utf-8") if file.exists() else ""
        try:
            new = make(old)
        except FileNotFoundError as error:
            print(error, file=sys.stderr)
            return 1
        if action == "write":
            file.write_text(new, encoding="utf-8")
        elif new != old:
            print(f"What is generated in {file.relative_to(ROOT)} is stale: run `make docs`.", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
