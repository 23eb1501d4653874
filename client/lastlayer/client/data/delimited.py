"""Reads the lines of a TSV or CSV file: UTF-8 with or without a byte order mark, any line ends, blank lines allowed."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lastlayer.client.data.files import open_file
from lastlayer.client.errors import DataError

_PATH_WORDS = {"path", "paths", "image", "images", "img", "file", "filename", "filepath", "photo", "picture", "name"}
_LABEL_WORDS = {"label", "labels", "class", "classes", "category", "tag", "tags", "target"}
_START_BYTES: Final = 4096
"""How much of a file tells whether it is text."""

_LABEL_SEPARATOR: Final = "|"
"""What stands between the labels of an image in one cell, where images may have several."""

Problem = tuple[int, str]
"""The number of a line, from 1, and a sentence that names it."""


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a line."""

    line: int
    """The number of the line, or of the first one where a quoted cell spans several; from 1."""
    cells: list[str]
    separator_name: str
    """`tab` or `comma`."""


def read_rows(source: Path) -> tuple[list[Row], list[Problem]]:
    """Return the rows that are not blank, and what is wrong with others; raises `DataError` where nothing can be read.

    Tabs separate in a TSV, where quotes mean nothing; commas in a CSV, where a cell may stand in double quotes. What a
    file is, its name says (`.tsv`, `.csv`), unless its first line has only the other's separator.
    """
    try:
        with open_file(source) as (begun, file):
            start = begun or file.read(_START_BYTES)
            _check_text(source, start)  # before all of it is read: a device may have no end
            content = start + file.read()
    except FileNotFoundError:
        raise DataError(
            [f"There is no file or folder `{source}`; give a TSV or CSV file, or a folder with one sub-folder a class."]
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError([f"`{source}` cannot be read: {reason}."]) from error
    lines, problems = _decode(source, content)
    rows = _split(source, lines, problems)
    return [row for row in rows if any(cell.strip() for cell in row.cells)], problems


def is_header(row: Row) -> bool:
    """Return whether a first row looks like the names of its columns; whether it names a file is for the caller."""
    if len(row.cells) < 2 or Path(row.cells[0].strip()).suffix:
        return False
    first, second = (_words(cell) for cell in row.cells[:2])
    return bool(first & _PATH_WORDS or second & _LABEL_WORDS)


def split_labels(cell: str) -> tuple[str, ...]:
    """Return the labels of a cell, each once, without white space around them; none where it is empty.

    >>> split_labels("red | round"), split_labels("")
    (('red', 'round'), ())
    """
    return tuple(dict.fromkeys(label for part in cell.split(_LABEL_SEPARATOR) if (label := part.strip())))


def _words(cell: str) -> set[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", cell)
    return set(re.findall(r"[a-z]+", spaced.lower()))


def _check_text(source: Path, start: bytes) -> None:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError([f"`{source}` is in UTF-16; save it as UTF-8, which is what is accepted."])
    if b"\0" in start:
        raise DataError([f"`{source}` is no text; give a TSV or CSV file of path and label, in UTF-8."])


def _decode(source: Path, content: bytes) -> tuple[list[str], list[Problem]]:
    lines: list[str] = []
    problems: list[Problem] = []
    for number, line in enumerate(re.split(rb"\r\n|\n|\r", content.removeprefix(b"\xef\xbb\xbf")), start=1):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            byte = f"0x{line[error.start]:02x}"
            problems.append(
                (number, f"{source}, line {number}: byte {byte} is not UTF-8, which is what is accepted; save it so.")
            )
            lines.append("")
    return lines, problems


def _split(source: Path, lines: list[str], problems: list[Problem]) -> list[Row]:
    first = next((line for line in lines if line.strip()), "")
    tabs = "\t" in first and ("," not in first or source.suffix.lower() != ".csv")
    if tabs or (source.suffix.lower() == ".tsv" and "," not in first):
        return [Row(number, line.split("\t"), "tab") for number, line in enumerate(lines, start=1)]
    rows: list[Row] = []
    reader = csv.reader((f"{line.rstrip()}\n" for line in lines), strict=True, skipinitialspace=True)
    while True:
        begin = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return rows
        except csv.Error as error:
            problems.append((begin, f"{source}, line {begin}: the quotes are not those of a CSV file ({error})."))
            continue
        rows.append(Row(begin, cells, "comma"))
