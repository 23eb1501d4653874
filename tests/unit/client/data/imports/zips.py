"""Zip archives for tests."""

import zipfile
from collections.abc import Mapping
from pathlib import Path


def write_zip(path: Path, members: Mapping[str, str | bytes], packed: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write an archive; a name that ends in `/` is a folder."""
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path
