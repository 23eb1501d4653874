"""The page of the Python API: which names it has. `mkdocstrings` fills in what the docstrings say."""

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Final

from lastlayer import client, testing

_SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "The client": ("client.api", "client.transport.channel"),
    "Labelled images": ("client.data.images", "client.data.labelled"),
    "Progress and tables": ("client.output.progress", "client.output.dataframe"),
    "Errors": ("client.errors",),
    "Results": (
        "client.results.predictions",
        "client.results.images",
        "client.results.examples",
        "client.results.datasets",
        "client.results.curation",
        "client.results.models",
        "client.results.versions",
        "client.results.metrics",
        "client.results.evaluations",
        "client.results.drift",
        "client.results.server",
    ),
    "For tests": ("testing.services", "testing.tiny_backbone"),
}
"""The modules below `lastlayer` that have the names of each section."""

PUBLIC: Final = frozenset({*client.__all__, *testing.__all__})
"""The names that are promised: those of `lastlayer.client` and `lastlayer.testing`."""


def page() -> str:
    """Return the body of the page; raises ValueError where a public name is in no section."""
    homes = {name: home for modules in _SECTIONS.values() for home in modules for name in _public(home)}
    if missing := sorted(PUBLIC - homes.keys()):
        raise ValueError(f"These public names are in no section of the reference: {', '.join(missing)}.")
    lines = []
    for title, modules in _SECTIONS.items():
        lines.append(f"## {title}\n")
        lines += [_entry(home, name) for home in modules for name in _public(home)]
    return "\n".join(lines)


def _entry(home: str, name: str) -> str:
    """Return what has `mkdocstrings` show a name, with the methods of bases that are parts of its own module."""
    module = f"lastlayer.{home}"
    bases = getattr(getattr(import_module(module), name), "__mro__", ())
    parts = [base for base in bases if base.__module__.startswith(f"{module}.")]
    methods = [method for part in parts for method in vars(part) if not method.startswith("_")]
    options = {"inherited_members": "true", "show_bases": "false", "members": f"[{', '.join(methods)}]"}
    shown = "".join(f"      {option}: {value}\n" for option, value in options.items())
    return f"::: {module}.{name}\n" + (f"    options:\n{shown}" if methods else "")


def fence(docstring: str) -> str:
    """Return a docstring with its examples as blocks of code.

    >>> fence("Add.\\n\\n>>> 1 + 1\\n2")
    'Add.\\n\\n```pycon\\n>>> 1 + 1\\n2\\n```'
    """
    return re.sub(r"^>>> .*(?:\n.+)*", lambda example: f"```pycon\n{example[0]}\n```", docstring, flags=re.MULTILINE)


def _public(home: str) -> list[str]:
    """Return the public names that a module has, in the order in which it defines them."""
    module = import_module(f"lastlayer.{home}")
    annotated = vars(module).get("__annotations__", {})  # aliases of types, which do not know their module
    return [
        name
        for name, value in vars(module).items()
        if name in PUBLIC and (getattr(value, "__module__", None) == module.__name__ or name in annotated)
    ]
