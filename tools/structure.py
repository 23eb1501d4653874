"""Draws the picture of the structure in CONTRIBUTING.md from the folders and the imports that there are."""

import ast
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path

import grimp

from tools import ROOT

Edges = Mapping[str, set[str]]
"""What each node imports."""


def packages() -> dict[str, Path]:
    """Return the folder of each package of the namespace `lastlayer`, by its full name."""
    folders = [folder for folder in ROOT.glob("[!.]*/lastlayer/*") if (folder / "__init__.py").exists()]
    return {f"lastlayer.{folder.name}": folder for folder in sorted(folders)}


@functools.cache
def import_graph() -> grimp.ImportGraph:
    """Return who imports whom in all of our packages."""
    return grimp.build_graph(*packages(), cache_dir=None)


def edges(nodes: Iterable[str]) -> dict[str, set[str]]:
    """Return the imports between nodes, each a module or a package with all that is in it."""
    graph, names = import_graph(), set(nodes)
    found: dict[str, set[str]] = {name: set() for name in names}
    for module in graph.modules:
        importer = _node_of(module, names)
        for other in graph.find_modules_directly_imported_by(module):
            imported = _node_of(other, names)
            if importer and imported and importer != imported:
                found[importer].add(imported)
    return found


def _node_of(module: str, nodes: set[str]) -> str | None:
    parts = module.split(".")
    candidates = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((candidate for candidate in candidates if candidate in nodes), None)


def layers(imports: Edges) -> list[list[str]]:
    """Return the nodes from the top down, so that each imports from below alone; raises ValueError for a circle."""
    left, found = dict(imports), list[list[str]]()
    while left:
        lowest = sorted(node for node, imported in left.items() if not imported & left.keys())
        if not lowest:
            raise ValueError(f"A circle of imports goes through {', '.join(sorted(left))}.")
        found.insert(0, lowest)
        for node in lowest:
            del left[node]
    return found


def reduced(imports: Edges) -> dict[str, set[str]]:
    """Return the imports without those that a longer way shows, too."""

    @functools.cache
    def reached(node: str) -> frozenset[str]:
        return frozenset(imports[node]).union(*(reached(other) for other in imports[node]))

    return {
        node: {other for other in imported if not any(other in reached(way) for way in imported - {other})}
        for node, imported in imports.items()
    }


def draw() -> str:
    """Return the picture: a diagram of the packages, and below it what is in each, from the top down."""
    found = packages()
    imports = reduced(edges(found))
    arrows = [f"  {_short(node)} --> {_short(other)}" for node in sorted(imports) for other in sorted(imports[node])]
    lines = ["```mermaid", "flowchart TD", *arrows, "```", "", "```text"]
    for layer in layers(edges(found)):
        for name in layer:
            lines += [f"{found[name].relative_to(ROOT)}/", *_inside(name, found[name])]
    return "\n".join([*lines, "```"])


def _inside(package: str, folder: Path) -> list[str]:
    """Return a line for each of the layers' folders and modules: its name, and the first line of its docstring."""
    entries = {
        f"{package}.{path.stem}": path
        for path in folder.iterdir()
        if (path / "__init__.py").exists()
        or (path.suffix == ".py" and path.stem != "__init__" and "_pb2" not in path.name)
    }
    if not entries:
        return [f"  {_summary(folder / '__init__.py')}"]
    lines = []
    for layer in layers(edges(entries)):
        for name in layer:
            path = entries[name]
            source = path / "__init__.py" if path.is_dir() else path
            shown = f"{path.name}/" if path.is_dir() else path.name
            lines.append(f"  {shown:16} {_summary(source)}")
    return lines


def _summary(source: Path) -> str:
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def _short(name: str) -> str:
    return name.removeprefix("lastlayer.")
