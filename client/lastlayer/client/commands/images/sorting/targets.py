"""Where each photo goes: a name in its class's folder that is free, or that of its equal."""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from lastlayer.client.commands.images.sorting.files import Content, digest
from lastlayer.client.commands.images.sorting.names import fold, numbered
from lastlayer.client.data.images import MAX_IMAGE_BYTES


@dataclass(frozen=True, slots=True)
class Target:
    """Where a photo goes."""

    path: str
    """In the folder that is sorted into: folder, slash, name."""
    same: bool
    """Whether the same photo is there already."""


class Targets:
    """Names for photos that have not been given yet. For each photo it keeps some hundred bytes."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._given: set[bytes] = set()
        self._equals: dict[bytes, str] = {}
        self._next: dict[bytes, int] = {}

    def find(self, folder: str, name: str, content: Content, *, planned: bool = False) -> Target:
        """Return where a photo that is called `name` goes in a folder, and give that name to it.

        Where the name is taken, it gets a number, unless the same photo has it. `planned` is whether nothing is put in
        its place, so that what was given so far is not looked for.
        """
        equal = self._equals.get(_key(folder, name, content.sha256))
        if equal is not None and (planned or content.is_at(self._out / equal)):
            return Target(equal, same=True)
        chain = _key(folder, fold(name))
        while True:
            number = self._next.get(chain, 1)
            self._next[chain] = number + 1
            candidate = f"{folder}/{numbered(name, number)}"
            given = _key(fold(candidate))
            path = self._out / candidate
            if given in self._given:
                continue
            if os.path.lexists(path):
                there = _photo_digest(path)
                if there:  # a later photo may be its equal
                    self.know(folder, name, there, candidate)
                if there == content.sha256:
                    return Target(candidate, same=True)
                continue
            self._given.add(given)
            self.know(folder, name, content.sha256, candidate)
            return Target(candidate, same=False)

    def know(self, folder: str, name: str, sha256: str, target: str) -> None:
        """Note that a photo that was called `name` is at a target."""
        self._equals[_key(folder, name, sha256)] = target


def _photo_digest(path: Path) -> str:
    """Return the sha256 of a file that may be a photo; empty where it is none."""
    try:
        state = path.lstat()
        return digest(path) if stat.S_ISREG(state.st_mode) and state.st_size <= MAX_IMAGE_BYTES else ""
    except OSError:
        return ""


def _key(*parts: str) -> bytes:
    """Return a few bytes that stand for some texts."""
    return hashlib.blake2b(
        "\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16, usedforsecurity=False
    ).digest()
