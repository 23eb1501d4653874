"""A file of weights with its checksums, for which it is read once."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class HashedFile:
    """A file and its checksums."""

    path: Path
    checksums: Mapping[str, str]
    """By the algorithm's name, each `algorithm:hexadecimal digits`; `sha256` is always there."""
    sha256: Any = field(compare=False, repr=False)
    """The SHA-256 after all bytes of the file, as `hashlib` has it: copy it to hash what else there is."""

    def has(self, checksum: str | None) -> bool:
        """Return whether this is the file's checksum; True where it is None."""
        return checksum is None or self.checksums[checksum.partition(":")[0]] == checksum


def hash_file(path: Path, checksum: str | None = None) -> HashedFile:
    """Read a file once and return it with its SHA-256, and with the hash that `checksum` (`algorithm:…`) is of.

    Raises OSError.
    """
    algorithms = {"sha256", *([checksum.partition(":")[0]] if checksum else [])}
    hashes = {algorithm: hashlib.new(algorithm, usedforsecurity=False) for algorithm in algorithms}
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            for state in hashes.values():
                state.update(chunk)
    checksums = {algorithm: f"{algorithm}:{state.hexdigest()}" for algorithm, state in hashes.items()}
    return HashedFile(path, checksums, hashes["sha256"])
