"""The journal of a sorting: what is done is written down first, so that it can go on, or be taken back, after anything.

A file of JSON lines in the folder that is sorted into. A line that was not written whole is the last one, and cut off.
"""

import array
import contextlib
import errno
import json
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, Self

from lastlayer.client.errors import DataError, InvalidInputError

if sys.platform != "win32":
    import fcntl

JOURNAL: Final = ".lastlayer-sort.jsonl"
_FORMAT: Final = 1

BEGUN, DONE, FAILED, SAME, RETURNING, UNDONE = range(6)
"""What is known of a photo: it was to be sorted; it was; it was not, and nothing was made; its equal was there already;
it was to be moved back; it was taken back."""

_EVENTS: Final = {"done": DONE, "failed": FAILED, "returning": RETURNING, "undone": UNDONE}


@dataclass(frozen=True, slots=True)
class Header:
    """How photos are sorted: the same for all of a journal."""

    model: str
    version: int
    threshold: float | None
    """None for that of the version."""
    move: bool
    """Whether photos are moved, and not copied."""
    made: bool
    """Whether the folder was made by this sorting."""
    token: str
    """What unfinished files have in their names."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A photo that is sorted."""

    number: int
    source: str
    """Its path, absolute."""
    target: str
    """The path that it gets, in the folder that is sorted into, with a slash between folder and name."""
    label: str
    """Its best class."""
    probability: float
    rejected: bool
    sha256: str
    """64 hexadecimal digits."""
    size: int
    mtime_ns: int


class Journal:
    """A journal that is open, and locked against others.

    All methods that write can raise OSError: then nothing was written.
    """

    def __init__(self, out: Path, mode: Literal["r", "r+", "a"]) -> None:
        """Open the journal of a folder for reading (`r`), for writing too (`r+`), or make one if need be (`a`).

        Raises FileNotFoundError where there is none, OSError where it cannot be opened so, `DataError` where it is none
        of ours, and `InvalidInputError` where another program has it open.
        """
        self.path = out / JOURNAL
        self._writable = mode != "r"
        flags = (os.O_RDWR if self._writable else os.O_RDONLY) | (os.O_CREAT if mode == "a" else 0)
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        self._file = os.fdopen(os.open(self.path, flags, 0o666), "r+b" if self._writable else "rb", buffering=0)
        self.header: Header | None = None
        """None until `begin_sorting` was called, ever."""
        self.folders: dict[str | None, str] = {}
        """The names of the folders of classes; that of the rejected photos is at None."""
        self.made: list[str] = []
        """Those of the folders that were made by this sorting."""
        self.scores: list[tuple[str, str]] = []
        """The name and the sha256 of each table of scores that was written."""
        self.states = bytearray()
        """What is known of each photo, by its number."""
        self._places = array.array("Q")
        try:
            if self._writable:
                self._lock(out)
            self._size = self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _lock(self, out: Path) -> None:
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidInputError(f"Another `client sort` is at work in `{out}`; wait until it has ended.") from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP):  # some network file systems have no locks
                raise

    def _read(self) -> int:
        """Take in what was written, cut off a line that was not written whole; return the size."""
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            raise DataError([f"`{self.path}` is no file; remove it, or name another folder."])
        place = 0
        with open(os.dup(self._file.fileno()), "rb") as lines:  # noqa: PTH123 - a descriptor
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    if self._writable:
                        self._file.truncate(place)
                    break
                try:
                    self._take(json.loads(line), place)
                except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
                    problem = (
                        f"`{self.path}`, line {number}, is no line of a journal of `client sort`; put back the file as"
                        " it was, or remove it and put the photos back yourself."
                    )
                    raise DataError([problem]) from error
                place += len(line)
        if self._writable:
            self._file.seek(place)
        return place

    def _take(self, record: dict[str, Any], place: int) -> None:
        if "format" in record:
            if record.pop("format") != _FORMAT:
                raise DataError([f"`{self.path}` is of a newer release; take it back with that."])
            self.header = _checked(Header, record)
        elif self.header is None:
            raise ValueError("no header")
        elif "folder" in record:
            self._take_folder(record["label"], record["folder"], made=record["made"])
        elif "scores" in record:
            self.scores.append((_simple(record["scores"]), record["sha256"]))
        elif "source" in record:
            same = record.pop("same")
            entry = _checked(Entry, record)
            folder, name = entry.target.split("/", 1)
            _simple(folder, name)
            if entry.number != len(self.states):
                raise ValueError("out of order")
            self._take_entry(place, SAME if same else BEGUN)
        else:
            [(event, number)] = record.items()
            if not 0 <= number < len(self.states):
                raise ValueError("no such photo")
            self.states[number] = _EVENTS[event]

    def _take_folder(self, label: str | None, name: str, *, made: bool) -> None:
        self.folders[label] = _simple(name)
        if made and name not in self.made:
            self.made.append(name)

    def _take_entry(self, place: int, state: int) -> None:
        self._places.append(place)
        self.states.append(state)

    def begin_sorting(self, model: str, version: int, threshold: float | None, *, move: bool, made: bool) -> None:
        """Write how photos are sorted."""
        header = Header(model, version, threshold, move, made, secrets.token_hex(4))
        self._write({"format": _FORMAT, **asdict(header)})
        self.header = header
        sync_folder(self.path.parent)

    def name_folder(self, label: str | None, name: str, *, made: bool) -> None:
        """Write which folder the photos of a class go to, before it is `made`."""
        self._write({"folder": name, "label": label, "made": made})
        self._take_folder(label, name, made=made)

    def begin(self, entry: Entry) -> None:
        """Write what is done with a photo next; it is on the disk when this returns."""
        self._add(entry, same=False)

    def note_same(self, entry: Entry) -> None:
        """Write that the equal of a photo is at its target already, so that nothing is done."""
        self._add(entry, same=True)

    def _add(self, entry: Entry, *, same: bool) -> None:
        place = self._size
        self._write({**asdict(entry), "same": same})
        self._take_entry(place, SAME if same else BEGUN)

    def end(self, number: int, state: int) -> None:
        """Write that a photo was sorted (`DONE`), was not (`FAILED`), will be moved back (`RETURNING`), or was taken
        back (`UNDONE`)."""
        event = next(name for name, known in _EVENTS.items() if known == state)
        self._write({event: number}, sync=state == RETURNING)
        self.states[number] = state

    def note_scores(self, name: str, sha256: str) -> None:
        """Write what the table of scores is called and has in it, before it is put there."""
        self._write({"scores": name, "sha256": sha256})
        self.scores.append((name, sha256))

    def _write(self, record: dict[str, Any], *, sync: bool = True) -> None:
        # Names of files that are no Unicode are kept by JSON's own escapes.
        line = f"{json.dumps(record)}\n".encode("ascii")
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file.fileno(), line[written:])
            if sync:
                os.fsync(self._file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                self._file.truncate(self._size)
                self._file.seek(self._size)
            raise
        self._size += len(line)

    def sync(self) -> None:
        """Return once all that was written is on the disk."""
        os.fsync(self._file.fileno())

    def entries(self, *states: int, last_first: bool = False) -> Iterator[Entry]:
        """Yield the photos of which one of these is known, in order or the last one first."""
        numbers = range(len(self.states))
        with open(self.path, "rb") as lines:  # noqa: PTH123
            for number in reversed(numbers) if last_first else numbers:
                if self.states[number] in states:
                    lines.seek(self._places[number])
                    record = json.loads(lines.readline())
                    record.pop("same")
                    yield Entry(**record)

    @property
    def sorted_count(self) -> int:
        """How many photos are sorted now."""
        return self.states.count(DONE)

    def unfinished(self, number: int) -> str:
        """Return the name that the file of a photo has while it is not whole."""
        assert self.header is not None  # noqa: S101 - photos come after it
        return f".unfinished-{self.header.token}-{number}"

    def remove(self) -> None:
        """Delete the journal."""
        self.path.unlink()


def sync_folder(folder: Path) -> None:
    """Return once the names in a folder are on the disk; raises OSError."""
    if os.name == "nt":  # where folders cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checked(kind: Any, record: dict[str, Any]) -> Any:
    """Return a record as a dataclass; raises TypeError or ValueError where its fields are not as they should be."""
    value = kind(**record)
    for field in fields(kind):
        given = getattr(value, field.name)
        expected: Any = float | int if field.type is float else field.type
        if not isinstance(given, expected):
            raise TypeError(field.name)
    return value


def _simple(*names: str) -> str:
    """Return the first of some names; raises ValueError where one of them leads elsewhere."""
    for name in names:
        if not name or name in (".", "..") or "/" in name or "\0" in name or (os.name == "nt" and "\\" in name):
            raise ValueError("not a simple name")
    return names[0]
