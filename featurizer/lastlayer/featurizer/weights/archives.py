"""Takes one member out of a zip archive, or out of an archive within it, without trusting what the archive says."""

import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lastlayer.featurizer.backbones.hashed_file import HashedFile
from lastlayer.featurizer.errors import FetchError
from lastlayer.featurizer.weights.download import explain_write_errors, land

MAX_MEMBER_BYTES: Final = 2 << 30
"""The largest member that is unpacked: more than any weights we know."""

# What zipfile raises for damaged, encrypted or exotic archives.
_UNSOUND: Final = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)


def extract_member(archive: Path, members: Sequence[str], target: Path, checksum: str | None) -> HashedFile:
    """Land a member of `archive` at `target` and return it.

    It is `members[0]`, or what lies at `members[1:]` within that, and so on. Nothing in the archive decides where
    anything is written. Raises FetchError.
    """
    with (
        explain_write_errors(target),
        tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpack-") as name,
    ):
        source = archive
        for depth, member in enumerate(members):
            unpacked = Path(name) / str(depth)
            _extract(source, member, unpacked)
            source = unpacked
        return land(source, target, checksum, f"`{members[-1]}` in {archive.name}")


def _extract(archive: Path, member: str, target: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            info = opened.getinfo(member)
            if info.file_size > MAX_MEMBER_BYTES:
                raise FetchError(f"`{member}` in {archive.name} is larger than {MAX_MEMBER_BYTES >> 30} GiB.")
            # zipfile yields no more than the stated size, whatever the compressed data would unpack to.
            with opened.open(info) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
    except KeyError as error:
        raise FetchError(f"{archive.name} has no member `{member}`.") from error
    except _UNSOUND as error:
        raise FetchError(f"{archive.name} is no sound zip archive: {error}.") from error
