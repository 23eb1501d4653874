"""Writes the parts of README.md and CONTRIBUTING.md that are made from the code, or checks that they are up to date.

A generated part stands between `<!-- NAME -->` and `<!-- /NAME -->`. So are the tags of our images, from the version.
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tools import structure, tags

README = Path(__file__).resolve().parent.parent / "README.md"
CONTRIBUTING = README.with_name("CONTRIBUTING.md")


def client_help() -> str:
    """Return the client's commands with their one-line descriptions."""
    import click

    from lastlayer.client.__main__ import main

    assert isinstance(main, click.Group)
    context = click.Context(main)
    commands = {name: main.get_command(context, name) for name in main.list_commands(context)}
    rows = [
        f"| `client {name}` | {command.get_short_help_str(limit=200)} |"
        for name, command in commands.items()
        if command
    ]
    return "\n".join(["| command | what it does |", "| --- | --- |", *rows])


def settings() -> str:
    """Return the tables of the services' settings."""
    from lastlayer.classifier.service.config import ClassifierSettings
    from lastlayer.featurizer.config import FeaturizerSettings
    from lastlayer.rpc.settings import settings_table
    from lastlayer.studio.config import StudioSettings

    return "\n\n".join(
        f"**{title}**\n\n{settings_table(kind)}"
        for title, kind in (
            ("featurizer", FeaturizerSettings),
            ("classifier-svc", ClassifierSettings),
            ("studio", StudioSettings),
        )
    )


def backbones() -> str:
    """Return the table of the built-in backbones."""
    from lastlayer.featurizer.backbones.spec import builtin, builtin_names

    rows = [
        f"| `{spec.name}` | {spec.description} | {spec.preprocessing.width} x {spec.preprocessing.height} "
        f"| {', '.join(f'`{tap.name}`' for tap in spec.taps)} |"
        for spec in map(builtin, builtin_names())
    ]
    return "\n".join(["| name | what | image | taps |", "| --- | --- | --- | --- |", *rows])


Parts = Mapping[str, Callable[[], str]]

PARTS: Mapping[Path, Parts] = {
    README: {"client help": client_help, "backbones": backbones, "settings": settings},
    CONTRIBUTING: {"structure": structure.draw},
}


def refresh(text: str, parts: Parts) -> str:
    """Return the text with its generated parts made anew; raises ValueError where a part has no place in it."""
    for name, make in parts.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"There is no place for `{name}`.")
        part = make()
        text = pattern.sub(lambda place, part=part: f"{place[1]}\n{part}\n\n{place[2]}", text)  # type: ignore[misc]
    return text


def main() -> int:
    """Write or check; the exit status is 0 where all is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["write", "check"])
    action = parser.parse_args().action
    made: dict[Path, Callable[[str], str]] = {page: partial(refresh, parts=parts) for page, parts in PARTS.items()}
    made |= dict.fromkeys(tags.files(), partial(tags.set_tags, version=tags.version()))
    status = 0
    for file, make in made.items():
        old = file.read_text(encoding="utf-8")
        new = make(old)
        if action == "write":
            file.write_text(new, encoding="utf-8")
        elif new != old:
            print(f"What is generated in {file.relative_to(tags.ROOT)} is stale: run `make docs`.", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
