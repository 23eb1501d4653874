"""The README's generated parts, and that what it shows of the Python API exists."""

import ast
import re

import pytest

from lastlayer import client
from tools.docs import README, refresh

TEXT = README.read_text(encoding="utf-8")


def test_a_part_is_made_anew_and_the_rest_stays() -> None:
    text = "before\n<!-- part -->\nold\n<!-- /part -->\nafter\n"
    assert refresh(text, {"part": lambda: r"new \1"}) == ("before\n<!-- part -->\n\nnew \\1\n\n<!-- /part -->\nafter\n")


def test_a_part_without_a_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="no place for `part`"):
        refresh("nothing", {"part": lambda: "x"})


def test_the_python_example_uses_what_exists() -> None:
    examples = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(examples) == 2
    tree = ast.parse("".join(examples))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported <= set(client.__all__)
    methods = {node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "attr")}
    assert methods
    assert all(hasattr(client.Client, method) for method in methods)


def test_every_file_that_the_readme_links_to_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)
    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []
