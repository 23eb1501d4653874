"""Paths that stand in files: relative ones start at the folder of their file."""

import posixpath


def beside(url: str, path: str) -> str:
    """Return the URL of a path that stands in the file at `url`.

    Example:
        beside("s3://photos/tags.tsv", "a.jpg")  # s3://photos/a.jpg
    """
    if "://" in path or path.startswith("/"):
        return path
    return posixpath.join(posixpath.dirname(url), path)


def parent(path: str) -> str:
    """Return the name of the folder that a file is in: its class, where folders are classes."""
    return posixpath.basename(posixpath.dirname(path))
