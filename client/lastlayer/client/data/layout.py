"""Says why the sub-folders of a folder are no classes, before they are taken for such."""

import shlex
from pathlib import Path

from lastlayer.client.data.folders import Found, find_splits


def splits_problem(source: Path) -> str:
    """Return why the folder of a whole data set is not what is meant; empty where it is none."""
    splits = find_splits(source)
    if not splits:
        return ""
    return (
        f"`{source}` has the folders {' and '.join(splits)}, which are parts of a data set and no classes: train on"
        f" {source / splits[0]}, and evaluate on {source / splits[-1]}."
    )


def layout_problem(source: Path, found: Found) -> str:
    """Return why the sub-folders of a folder are no classes; empty where they may be."""
    filled = [(name, files) for name, files in found.classes if files]
    if found.loose and not filled:
        named = shlex.join([str(source), "--label", source.resolve().name])
        return (
            f"`{source}` has its images in no sub-folder, which would say their class. Where all show the same, say"
            f" what: {named}. Otherwise give a sub-folder for each class."
        )
    if not found.classes:
        return f"`{source}` has no sub-folders; give one for each class, with its images in it."
    if len(filled) != 1:
        return _mixture_problem(source, found)
    [(name, files)] = filled
    folder = source / name
    inner = sorted({file.relative_to(folder).parts[0] for file in files if file.parent != folder})
    if not inner or any(file.parent == folder for file in files):
        return _mixture_problem(source, found)
    shown = ", ".join(inner[:3]) + (", …" if len(inner) > 3 else "")
    return (
        f"`{source}` has one folder with images, `{name}`, and has them in further folders in it ({shown}). Where these"
        f" are the classes, give {folder}; where all images show the same, add --label {shlex.quote(name)}."
    )


def _mixture_problem(source: Path, found: Found) -> str:
    """Return why a folder of all sorts, such as a home folder, is none of photos; empty where it may be one.

    Folders that are empty may be classes still to be filled; those with other files are not.
    """
    filled = {name for name, files in found.classes if files}
    others = {path.relative_to(source).parts[0] for path in found.skipped if path.parent != source} - filled
    if not filled or len(others) <= len(filled):
        return ""
    shown = ", ".join(sorted(others)[:3]) + (", …" if len(others) > 3 else "")
    return (
        f"`{source}` has more folders with other files ({len(others)}: {shown}) than with images ({len(filled)}); give"
        " a folder that has only those of your classes in it."
    )
