"""Reads labelled images: a TSV or CSV of path and label, a folder or zip of classes, or what other programs export.

And images without labels: a folder or zip of them, or one by one.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from lastlayer.client.data.delimited import Row, is_header, read_rows, split_labels
from lastlayer.client.data.folders import find_all_images, find_images, is_image_name
from lastlayer.client.data.images import ImageSource, LabelledImage, Openable, gather, web_address
from lastlayer.client.data.imports.archives import read_archive, read_images
from lastlayer.client.data.imports.custom_vision import read_tags
from lastlayer.client.data.imports.exported import NO_TAG, Exported
from lastlayer.client.data.imports.members import is_archive
from lastlayer.client.data.layout import layout_problem, splits_problem
from lastlayer.client.data.pixels import is_pixels
from lastlayer.client.errors import DataError

_MAX_LABEL_CHARACTERS = 256
_IMAGES_ACCEPTED = "give paths, bytes, or images of Pillow or NumPy, or the path of a folder"
_ACCEPTED = "give pairs such as ('cat.jpg', 'cat'), or the path of a folder with one sub-folder a class"
_FORMATS = "JPEG, PNG, WebP, HEIC, GIF, TIFF or BMP"


@dataclass(frozen=True)
class Data:
    """Labelled images, and what a user should know of how they were read."""

    examples: tuple[LabelledImage, ...]
    """In the order of the file, or sorted by class and name. Whether the images exist is seen when they are read."""
    trimmed: int = 0
    """The number of labels around which white space was removed."""
    notes: tuple[str, ...] = ()
    """One sentence each, such as how many files are no images."""


def read_data(
    source: str | os.PathLike[str], images: Path | None = None, *, label: str = "", multi_label: bool = False
) -> Data:
    """Return the labelled images of a table, folder or export; raises `DataError` with everything that is wrong in it.

    A zip archive has a folder for each class, or is a project of Teachable Machine (`project.tm`); its images are read
    from it as they are needed. A JSON file is what Azure Custom Vision's training API says of its images. Paths in a
    table, and the images of a JSON file, are in `images`, or in the file's own folder. With a `label` the source is a
    folder or zip archive of images, or an image, that all have this label.

    With `multi_label` an image may have several labels, or none: in a table by `|` between them, several lines or an
    empty cell; in a folder by being in several sub-folders, or in none; in a JSON file by its tags. All images are
    read once, to know which are the same.

    >>> [example.label for example in read_data("photos").examples]
    ['cat', 'cat', 'dog', 'dog']
    """
    if multi_label:
        found = _read(source, images, label=label, multi_label=True)
        return replace(found, examples=gather(found.examples))
    return _read(source, images, label=label, multi_label=False)


def _read(source: str | os.PathLike[str], images: Path | None, *, label: str, multi_label: bool) -> Data:
    source = Path(source)
    if url := web_address(source):
        raise DataError([f"`{url}` is an address; fetch the images first, and give their folder or a TSV or CSV file."])
    if label:
        return (_of_labels if multi_label else _of_one_label)(source, images, label)
    if source.is_dir():
        if images is not None:
            raise DataError([f"`{source}` is a folder of images already; --images goes with a TSV, CSV or JSON file."])
        return _from_folder(source, multi_label=multi_label)
    if is_image_name(source.name) and source.is_file():
        raise DataError([f"`{source}` is an image; say what it shows with --label, such as --label cat."])
    if is_archive(source):
        if images is not None:
            raise DataError([f"`{source}` has its images in it; --images goes with a TSV, CSV or JSON file."])
        return _from_export(read_archive(source), source)
    if images is not None and not images.is_dir():
        raise DataError([f"There is no folder `{images}` to look for images in."])
    if source.suffix.lower() == ".json":
        folder = images if images is not None else source.parent
        return _from_export(read_tags(source, folder, multi_label=multi_label), source)
    return _from_table(source, images if images is not None else source.parent, multi_label=multi_label)


Labelled: TypeAlias = (
    "str | os.PathLike[str] | Data | Iterable[LabelledImage | tuple[ImageSource, str | Sequence[str]]]"
)
"""A folder or table as `read_data` takes it, what it returned, or images with their labels."""


def to_examples(source: Labelled, *, multi_label: bool = False) -> Iterable[LabelledImage]:
    """Return labelled images however they were given, one by one where they are.

    Raises `DataError` as `read_data`, and `TypeError` where something is no labelled image.
    """
    if isinstance(source, Data):
        return source.examples
    if isinstance(source, str | os.PathLike):
        return read_data(source, multi_label=multi_label).examples
    if isinstance(source, LabelledImage | bytes) or not isinstance(source, Iterable):
        raise TypeError(f"A {type(source).__name__} is no list of labelled images; {_ACCEPTED}.")
    return (_to_example(entry, index) for index, entry in enumerate(source))


def _to_example(entry: object, index: int) -> LabelledImage:
    if isinstance(entry, LabelledImage):
        return entry
    if isinstance(entry, tuple | list) and len(entry) == 2 and isinstance(entry[1], str):
        image, label = entry
        if not hasattr(image, "read") or is_pixels(image):  # an open file cannot be read twice
            return LabelledImage(image, label)
    if isinstance(entry, tuple | list) and len(entry) == 2 and _are_labels(entry[1]):
        image, labels = entry
        if not hasattr(image, "read") or is_pixels(image):
            return LabelledImage(image, "", labels=tuple(dict.fromkeys(labels)))
    raise TypeError(f"examples[{index}] is no labelled image; {_ACCEPTED}.")


def _are_labels(value: object) -> bool:
    return isinstance(value, tuple | list | set | frozenset) and all(isinstance(label, str) for label in value)


def _of_labels(source: Path, images: Path | None, label: str) -> Data:
    """Return the images of a source, which have all labels of `label`: once for each."""
    found = [_of_one_label(source, images, part) for part in split_labels(label) or ("",)]
    return replace(found[0], examples=tuple(example for data in found for example in data.examples))


def _of_one_label(source: Path, images: Path | None, label: str) -> Data:
    trimmed = label.strip()
    if problem := label_problem(trimmed):
        raise DataError([f"--label `{label}`: {problem}"])
    if images is None and (found := _every_image(source, trimmed, "--label goes with a zip of images of one class")):
        return found
    if source.is_file() and is_image_name(source.name):
        return Data((LabelledImage(source, trimmed, name=source.name),))
    if not source.exists():
        raise DataError([f"There is no file or folder `{source}`."])
    raise DataError([f"`{source}` says the labels itself; --label goes with a folder of images, or with an image."])


def _every_image(source: Path, label: str, instead: str) -> Data | None:
    """Return all images of a folder or zip archive, or the one that the source is; None where it is neither.

    `instead` is what to do with a project of another program.
    """
    if source.is_dir():
        found = find_all_images(source)
        examples = [
            LabelledImage(file, label, name=file.relative_to(source).as_posix()) for file in found.classes[0][1]
        ]
        skipped: list[str | os.PathLike[str]] = [*found.skipped]
    elif is_archive(source):
        members, others = read_images(source, instead)
        examples = [LabelledImage(member, label, name=member.name) for member in members]
        skipped = [member.name for member in others]
    else:
        return None
    if not examples:
        raise DataError([f"`{source}` holds no images ({_FORMATS})."])
    return Data(tuple(examples), notes=_skipped_notes(skipped))


def read_unlabelled(source: str | os.PathLike[str]) -> Data:
    """Return the images of a folder and those within it, of a zip archive, or one image; their labels are empty.

    Raises `DataError` where there are none.

    >>> [image.name for image in read_unlabelled("photos").examples][:2]
    ['cat/cat0.jpg', 'cat/cat1.jpg']
    """
    source = Path(source)
    if url := web_address(source):
        raise DataError([f"`{url}` is an address; fetch the images first, and give their folder."])
    if found := _every_image(source, "", "add it with them by `client add`"):
        return found
    if source.is_file() and is_image_name(source.name):
        return Data((LabelledImage(source, "", name=source.name),))
    if not source.exists():
        raise DataError([f"There is no file or folder `{source}`."])
    raise DataError([f"`{source}` is no folder or zip of images, and no image ({_FORMATS})."])


Unlabelled: TypeAlias = "str | os.PathLike[str] | Data | Iterable[LabelledImage | ImageSource]"
"""A folder, zip archive or image as `read_unlabelled` takes it, what it returned, or images one by one."""


def to_unlabelled(source: Unlabelled) -> Iterable[LabelledImage]:
    """Return images without labels however they were given, one by one where they are.

    Raises `DataError` as `read_unlabelled`, and `TypeError` where something is no image, or has a label.
    """
    if isinstance(source, str | os.PathLike):
        return read_unlabelled(source).examples
    images: object = source.examples if isinstance(source, Data) else source
    if isinstance(images, LabelledImage | bytes) or is_pixels(images) or not isinstance(images, Iterable):
        raise TypeError(f"A {type(source).__name__} is no list of images; {_IMAGES_ACCEPTED}.")
    return (_to_unlabelled(entry, index) for index, entry in enumerate(images))


def _to_unlabelled(entry: Any, index: int) -> LabelledImage:
    if isinstance(entry, LabelledImage):
        if entry.label:
            raise TypeError(f"images[{index}] has the label `{entry.label}`; add it by `add_examples`.")
        return entry
    # An open file cannot be read twice.
    if isinstance(entry, str | os.PathLike | bytes | Openable) or is_pixels(entry):
        return LabelledImage(entry, "")
    raise TypeError(f"images[{index}] is no image; {_IMAGES_ACCEPTED}.")


def _from_table(source: Path, folder: Path, *, multi_label: bool) -> Data:
    rows, problems = read_rows(source)
    notes = []
    if rows and is_header(rows[0]) and not (folder / rows[0].cells[0].strip()).is_file():
        notes.append(f"Line {rows[0].line} of {source} was read as the header.")
        rows = rows[1:]
    examples = []
    trimmed = 0
    for row in rows:
        origin = f"{source}, line {row.line}"
        problem = _problem(row, multi_label=multi_label)
        if problem:
            problems.append((row.line, f"{origin}: {problem}"))
            continue
        path, label = row.cells[0].strip(), row.cells[1].strip()
        trimmed += label != row.cells[1]
        labels = split_labels(label) if multi_label else None
        shown = label if labels is None else ""
        examples.append(LabelledImage(folder / path, shown, name=path, origin=origin, labels=labels))
    if problems:
        raise DataError(text for _, text in sorted(problems))
    if not examples:
        raise DataError([f"`{source}` has no lines of path and label."])
    return Data(tuple(examples), trimmed, tuple(notes))


def _problem(row: Row, *, multi_label: bool) -> str:
    if len(row.cells) < 2:
        return f"there is no label; a line is a path, a {row.separator_name} and a label."
    path, label, *more = (cell.strip() for cell in row.cells)
    if not path:
        return f"there is no path; a line is a path, a {row.separator_name} and a label."
    if any(more):
        return f"there is a third column; a line is a path, a {row.separator_name} and a label, and nothing more."
    if multi_label:
        return next(filter(None, map(label_problem, split_labels(label))), "")
    return label_problem(label)


def label_problem(label: str) -> str:
    """Return what is wrong with a label, without white space around it; empty where nothing is.

    The rule is the service's. It is known here too so that nothing is sent of data that has a wrong label.
    """
    if not label:
        return "the label is empty."
    if len(label) > _MAX_LABEL_CHARACTERS:
        return f"the label has {len(label)} characters; at most {_MAX_LABEL_CHARACTERS} are accepted."
    kinds = {unicodedata.category(character) for character in label}
    if kinds & {"Cc", "Zl", "Zp"}:
        return "the label has a control character, such as a line break or a tab."
    return "the label is not valid Unicode." if "Cs" in kinds else ""


def _from_folder(source: Path, *, multi_label: bool) -> Data:
    found = find_images(source)
    if problem := splits_problem(source) or layout_problem(source, found):
        raise DataError([problem])
    examples = []
    problems = []
    trimmed = 0
    notes = []
    for name, files in found.classes:
        label = name.strip()
        problem = label_problem(label)
        if problem:
            problems.append(f"{source / name}: {problem}")
        if not files:
            notes.append(f"The folder {source / name} holds no images.")
        trimmed += len(files) * (label != name)
        examples += [LabelledImage(file, label, name=file.relative_to(source).as_posix()) for file in files]
    skipped = found.skipped
    if multi_label:  # what is in no sub-folder has none of the labels
        examples += [LabelledImage(file, "", name=file.name, labels=()) for file in found.loose]
        skipped = tuple(file for file in skipped if file not in found.loose)
    if problems:
        raise DataError(problems)
    if not examples:
        raise DataError([f"The sub-folders of `{source}` hold no images ({_FORMATS})."])
    return Data(tuple(examples), trimmed, (*notes, *_skipped_notes(skipped)))


def _from_export(found: Exported, source: Path) -> Data:
    examples = []
    problems: dict[str, None] = {}  # an ordered set: a label is told once
    trimmed = 0
    for name, image, shown in found.images:
        label = name.strip()
        if name == NO_TAG:
            examples.append(LabelledImage(image, "", name=shown, labels=()))
            continue
        if problem := label_problem(label):
            problems[f"`{source}`, label `{name[:40]}`: {problem}"] = None
            continue
        trimmed += label != name
        examples.append(LabelledImage(image, label, name=shown))
    if problems:
        raise DataError(problems)
    empty = tuple(f"The folder {name} in {source} holds no images." for name in found.empty)
    return Data(tuple(examples), trimmed, (*found.notes, *empty, *_skipped_notes(found.skipped)))


def _skipped_notes(skipped: Iterable[str | os.PathLike[str]]) -> tuple[str, ...]:
    paths = [Path(path) for path in skipped]
    if not paths:
        return ()
    kinds = Counter(path.suffix.lower() or path.name for path in paths)
    common = ", ".join(kind for kind, _ in kinds.most_common(3))
    noun = "file that is no image of a class was" if len(paths) == 1 else "files that are no images of a class were"
    return (f"{len(paths)} {noun} passed over ({common}{', …' if len(kinds) > 3 else ''}).",)
