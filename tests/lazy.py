"""Modules that are imported once something of them is used.

Each process of a run in parallel collects all files, and one alone runs the tests that need TensorFlow, whose import
takes seconds.
"""

import importlib
from typing import Any


class LazyModule:
    """Stands for a module: its attributes are those of the module, which the first one imports."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # pytest looks at all that a test file has, whether it is a fixture
            raise AttributeError(attribute)
        return getattr(importlib.import_module(self._name), attribute)
