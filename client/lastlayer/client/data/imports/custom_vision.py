"""Tagged images of Azure Custom Vision: what its training API answers, and the images beside it.

`GetImages` and `GetTaggedImages` answer a list of images, each with its `id`, its `tags` and the address where it can
be fetched for a day. Microsoft's own program for moving away, `export_cvs_data_to_blob_storage`, writes a COCO file of
them. The image files are called like the ids, with any ending or none.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from lastlayer.client.data.files import open_file
from lastlayer.client.data.folders import find_all_images
from lastlayer.client.data.imports.exported import NO_TAG, Exported
from lastlayer.client.errors import DataError

_MAX_BYTES: Final = 128 * 2**20
"""The largest file that is read: some 120,000 images, more than a project may have."""

_MAX_PARTS: Final = 10_000_000
"""The most commas and brackets that are read: each may take a hundred bytes of memory. An image has about thirty."""

_ID: Final = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_SHOWN: Final = 3


def read_tags(source: Path, folder: Path, *, multi_label: bool = False) -> Exported:
    """Return the images that a JSON file tags; their files are in the folder, or in folders in it.

    With `multi_label` an image is there once for each of its tags, or with `NO_TAG`. A name in the JSON file is never
    used as a path: files are found by listing the folder. Raises `DataError` where it
    is no such JSON, or none of the images is there.
    """
    files = _find_files(folder)
    images: list[tuple[str, Path, str]] = []
    untagged: list[str] = []
    several: list[str] = []
    missing: list[str] = []
    with_regions = 0
    for number, image in enumerate(_read(source)):
        identity = image.get("id")
        if not isinstance(identity, str) or not _ID.fullmatch(identity):
            raise DataError([f"`{source}`: image {number} has no `id` as Custom Vision gives them."])
        labels = _labels(image, f"`{source}`: image {identity}")
        if len(labels) != 1 and not multi_label:
            (several if labels else untagged).append(identity)
            continue
        path = files.get(_key(identity))
        if path is None:
            missing.append(identity)
            continue
        with_regions += bool(image.get("regions"))
        images += [(label, path, path.relative_to(folder).as_posix()) for label in labels or (NO_TAG,)]
    if not images:
        raise DataError([_nothing(source, folder, missing)])
    notes = [
        _note(untagged, "has no tag", "have no tag"),
        _note(several, "has several tags, of which a model gives one", "have several tags, of which a model gives one"),
        _note(missing, f"has no file in {folder}", f"have no files in {folder}"),
    ]
    if with_regions:
        notes.append(f"{_images(with_regions)} tagged by regions: the tag is taken for the whole image.")
    return Exported(tuple(sorted(images)), notes=tuple(note for note in notes if note))


def _read(source: Path) -> list[Mapping[str, Any]]:
    try:
        with open_file(source) as (begun, file):
            content = begun + file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise DataError([f"`{source}` is larger than {_MAX_BYTES >> 20} MiB; give the images in several files."])
        if sum(map(content.count, (b",", b"[", b"{"))) > _MAX_PARTS:
            raise DataError([f"`{source}` has more than {_MAX_PARTS:,} values; give the images in several files."])
        images = json.loads(content)
    except FileNotFoundError:
        raise DataError([f"There is no file or folder `{source}`."]) from None
    except OSError as error:
        raise DataError([f"`{source}` cannot be read: {error.strerror}."]) from error
    except (ValueError, RecursionError) as error:
        raise DataError([f"`{source}` is no JSON that can be read: {error}."]) from error
    if isinstance(images, dict):
        images = _from_coco(images)
    if not isinstance(images, list) or not all(isinstance(image, dict) and "id" in image for image in images):
        text = (
            f"`{source}` is no list of images with `id` and `tags`, as Azure Custom Vision's training API answers, and"
            " no COCO file of them; other labels are read from a TSV or CSV file of path and label."
        )
        raise DataError([text])
    return images


def _from_coco(told: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return the images of a COCO file as the training API answers them; None where it is none.

    There the last part of the name of a file is the id of its image.
    """
    try:
        tags = {category["id"]: {"tagName": category["name"]} for category in told["categories"]}
        images = {
            image["id"]: {"id": image["file_name"].rpartition("/")[2], "tags": [], "regions": []}
            for image in told["images"]
        }
        for annotation in told["annotations"]:
            field = "regions" if "bbox" in annotation else "tags"
            images[annotation["image_id"]][field].append(tags[annotation["category_id"]])
    except (AttributeError, KeyError, TypeError):
        return None
    return [*images.values()]


def _labels(image: Mapping[str, Any], where: str) -> list[str]:
    """Return the tags of an image and of its regions, each once; raises `DataError` where they are none."""
    labels: dict[str, None] = {}
    for field in ("tags", "regions"):
        tags = image.get(field)
        if tags is None:
            continue
        if not isinstance(tags, list) or not all(isinstance(tag, dict) for tag in tags):
            raise DataError([f"{where}: `{field}` is no list of tags."])
        for tag in tags:
            label = tag.get("tagName")
            if not isinstance(label, str):  # what creates images answers so, with ids alone
                raise DataError([f"{where}: a tag has no `tagName`; take what GetImages or GetTaggedImages answers."])
            labels[label] = None
    return [*labels]


def _find_files(folder: Path) -> dict[str, Path]:
    """Return the files of a folder that are called like an id, by it."""
    found = find_all_images(folder)
    files: dict[str, Path] = {}
    for file in (*found.classes[0][1], *found.skipped):
        if _ID.fullmatch(file.stem):
            files.setdefault(_key(file.stem), file)
    return files


def _key(identity: str) -> str:
    return identity.replace("-", "").lower()


def _nothing(source: Path, folder: Path, missing: list[str]) -> str:
    if missing:
        return (
            f"No tagged image of `{source}` is in `{folder}`, where files called like the ids are looked for, such as"
            f" {missing[0]}.jpg. Fetch them from each `originalImageUri` first, or name their folder with --images."
        )
    return f"`{source}` has no image with one tag."


def _note(identities: Iterable[str], one: str, many: str) -> str:
    known = [*identities]
    if not known:
        return ""
    shown = ", ".join(known[:_SHOWN]) + (", …" if len(known) > _SHOWN else "")
    what = f"1 image {one}" if len(known) == 1 else f"{len(known):,} images {many}"
    return f"{what}; passed over: {shown}."


def _images(count: int) -> str:
    return "1 image is" if count == 1 else f"{count:,} images are"
