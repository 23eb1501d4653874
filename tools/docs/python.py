"""The page of the Python API: which names it has. `mkdocstrings` fills in what the docstrings say."""

import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Final

from lastlayer import client, testing

_SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "The client": ("api", "transport.channel"),
    "Labelled images": ("data.images", "data.labelled"),
    "Progress and tables": ("output.progress", "output.dataframe"),
    "Errors": ("errors",),
    "Results": ("results",),
}
"""The modules below `lastlayer.client` that have the names of each section."""


def page() -> str:
    """Return the body of the page; raises ValueError where a public name is in no section."""
    homes = {name: home for modules in _SECTIONS.values() for home in modules for name in _names(home)}
    if missing := sorted(set(client.__all__) - homes.keys()):
        raise ValueError(f"These names of `lastlayer.client` are in no section of the reference: {', '.join(missing)}.")
    lines = []
    for title, modules in _SECTIONS.items():
        lines.append(f"## {title}\n")
        lines += [f"::: lastlayer.client.{home}.{name}\n" for home in modules for name in _public(home)]
    lines.append("## For tests\n")
    lines += [f"::: {getattr(testing, name).__module__}.{name}\n" for name in testing.__all__]
    return "\n".join(lines)


def fence(docstring: str) -> str:
    """Return a docstring with its examples as blocks of code.

    >>> fence("Add.\\n\\n>>> 1 + 1\\n2")
    'Add.\\n\\n```pycon\\n>>> 1 + 1\\n2\\n```'
    """
    return re.sub(r"^>>> .*(?:\n.+)*", lambda example: f"```pycon\n{example[0]}\n```", docstring, flags=re.MULTILINE)


def _public(home: str) -> list[str]:
    """Return the public names that a module has, in the order in which it defines them."""
    return [name for name in _names(home) if name in client.__all__]


def _names(home: str) -> Iterable[str]:
    module = import_module(f"lastlayer.client.{home}")
    annotated = vars(module).get("__annotations__", {})  # aliases of types, which do not know their module
    return [
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ or name in annotated
    ]
