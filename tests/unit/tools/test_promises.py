"""Each promise of SECURITY.md and docs/explanation/faults.md names its tests; `test_paths` looks for them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def tables(page: str) -> list[list[list[str]]]:
    """Return the rows of each table of a page, without its heading."""
    blocks = re.findall(r"(?:^\|.*\n)+", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [
        [[cell.strip() for cell in row.strip("|").split(" | ")] for row in block.splitlines()[2:]] for block in blocks
    ]


def names_tests(cell: str) -> bool:
    return bool(re.search(r"`[\w/]+(?:\.py(?:::\w+)?|/)`", cell))


def test_every_row_of_security_has_its_tests() -> None:
    promises, tests = tables("SECURITY.md")
    assert [row[0] for row in tests] == [row[0] for row in promises]
    assert len(promises) >= 10
    assert [row[0] for row in tests if not names_tests(row[-1])] == []


def test_every_fault_has_its_tests() -> None:
    faults = tables("docs/explanation/faults.md")[0]
    assert len(faults) >= 18
    assert [row[0] for row in faults if not names_tests(row[-1])] == []
