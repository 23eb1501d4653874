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
        return ""
    [(name, files)] = filled
    folder = source / name
    inner = sorted({file.relative_to(folder).parts[0] for file in files if file.parent != folder})
    if not inner or any(file.parent == folder for file in files):
        return ""
    shown = ", ".join(inner[:3]) + (", …" if len(inner) > 3 else "")
    return (
        f"`{source}` has one folder with images, `{name}`, and has them in further folders in it ({shown}). Where these"
        f" are the classes, give {folder}; where all images show the same, add --label {shlex.quote(name)}."
    )
