"""Projects of Google's Teachable Machine, as its menu downloads them: `project.tm`, a zip archive.

It holds `manifest.json`, which says what kind of project it is, and each sample as `CLASS-!-NUMBER.jpg`.
"""

import json
from typing import Any, Final

from lastlayer.client.data.folders import is_image_name
from lastlayer.client.data.imports.exported import Exported
from lastlayer.client.data.imports.members import Archive
from lastlayer.client.errors import DataError

_MANIFEST: Final = "manifest.json"
_MAX_MANIFEST_BYTES: Final = 2**20
_BETWEEN: Final = "-!-"
"""What stands between the class and the number of a sample."""


def read_project(archive: Archive) -> Exported | None:
    """Return the samples of a project; None where the archive is none.

    Raises `DataError` where it is a project of sounds or poses, or has no samples.
    """
    content = archive.read_small(_MANIFEST, _MAX_MANIFEST_BYTES)
    manifest = _read(content) if content is not None else None
    if manifest is None:
        return None
    kind = manifest["type"]
    if kind != "image":
        text = f"`{archive.path}` is a Teachable Machine project of the type `{str(kind)[:40]}`; `image` is accepted."
        raise DataError([text])
    images = []
    skipped = []
    for member in archive.members():
        label, between, number = member.name.rpartition(_BETWEEN)
        if between and is_image_name(number):
            images.append((label, member, member.name))
        elif member.name != _MANIFEST:
            skipped.append(member.name)
    if not images:
        raise DataError([f"`{archive.path}` is a Teachable Machine project without samples; add some there first."])
    images.sort(key=lambda entry: (entry[0], len(entry[2]), entry[2]))
    return Exported(tuple(images), skipped=tuple(skipped))


def _read(content: bytes) -> dict[str, Any] | None:
    """Return the manifest of a project; None where it is another program's."""
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return manifest if isinstance(manifest, dict) and "type" in manifest and "appdata" in manifest else None
