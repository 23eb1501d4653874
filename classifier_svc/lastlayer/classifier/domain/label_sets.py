"""The labels of images that may have several, or none: what examples that come add to them."""

from collections.abc import Iterable
from typing import Final

NO_LABEL: Final = ""
"""What is stored in place of a label for an image that has none of the labels of a multi-label dataset."""


def drop_no_label(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the labels among what is stored for an image.

    >>> drop_no_label([""]), drop_no_label(["red", "round"])
    ((), ('red', 'round'))
    """
    return tuple(label for label in labels if label != NO_LABEL)


def add_labels(stored: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    """Return what is stored for an image once it has further labels; `stored` is empty where it is new.

    >>> add_labels(("red",), ["round", "red"])
    ('red', 'round')
    >>> add_labels((), []), add_labels(("",), ["red"]), add_labels(("red",), [])
    (('',), ('red',), ('red',))
    """
    return tuple(dict.fromkeys([*drop_no_label(stored), *more])) or (NO_LABEL,)
