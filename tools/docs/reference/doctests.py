"""Lets `mkdocstrings` show the examples of docstrings as code: they begin with `>>>`, without a heading."""

from typing import Any

import griffe

from tools.docs.reference.python import fence


class FenceDoctests(griffe.Extension):
    """Puts each example of a docstring between fences."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of an object once it has been read."""
        if obj.docstring:
            obj.docstring.value = fence(obj.docstring.value)
