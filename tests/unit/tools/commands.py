"""What is wrong with a command that a page names, as far as that can be said without running it."""

import importlib.util
import re
import shlex
from collections.abc import Sequence
from importlib import import_module

import click

from tests.markdown import ROOT
from tests.unit.tools.test_version import PROJECT

SCRIPTS = PROJECT["scripts"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
_PLACEHOLDER = re.compile(r"[A-Z…\[(<$]")
"""How words begin that stand for something else."""


def simple_commands(script: str) -> list[list[str]]:
    """Return the words of each simple command of a shell script; quotes and comments are gone, redirections end it."""
    script = re.sub(r"\\\n", " ", script)
    found: list[list[str]] = []
    for line in script.splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
        words.whitespace_split = True
        words.commenters = "#" if re.search(r"(^|\s)#", line) else ""
        command: list[str] = []
        try:
            listed = list(words)
        except ValueError:  # a quotation that goes on in the next line: no command of ours has one
            continue
        for word in (*listed, ";"):
            if set(word) <= set("();<>|&"):
                found.append(command)
                command = []
            elif command or not re.match(r"\w+=|do$|then$", word):
                command.append(word)
    return [command for command in found if command]


def find_mistake(words: Sequence[str]) -> str | None:
    """Return what a command names that is not there; None where all is, or where the command is none of ours."""
    program, arguments = words[0].removeprefix(".venv/bin/"), list(words[1:])
    if program in SCRIPTS:
        return find_mistake_of_ours(program, arguments)
    if program == "make":
        return next((f"make has no `{name}`" for name in arguments if "=" not in name and name not in TARGETS), None)
    if program in ("python", "python3") and arguments[:1] == ["-m"]:
        module, top = arguments[1], arguments[1].partition(".")[0]
        ours = top == "lastlayer" or (ROOT / top).is_dir()
        return f"there is no module `{module}`" if ours and importlib.util.find_spec(module) is None else None
    if program == "docker-compose" or (program == "docker" and arguments[:1] == ["compose"]):
        return _find_mistake_of_compose(arguments[program == "docker" :])
    if program == "kubectl" and "--" in arguments:
        return find_mistake(arguments[arguments.index("--") + 1 :])
    if program == "kubectl" and "-k" in arguments:
        folder = arguments[arguments.index("-k") + 1]
        return None if (ROOT / folder / "kustomization.yaml").exists() else f"there is no {folder}"
    if program.startswith(("deploy/", ".ci/")) and not (ROOT / program).exists():
        return f"there is no {program}"
    return None


def find_mistake_of_ours(program: str, arguments: Sequence[str]) -> str | None:
    """Return what the arguments of a command of ours name that it does not have."""
    module, _, function = SCRIPTS[program].partition(":")
    command: click.Command = getattr(import_module(module), function)
    context = click.Context(command, info_name=program, **command.context_settings)
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if isinstance(command, click.Group) and not word.startswith("-"):
            if _PLACEHOLDER.match(word):
                return None
            if (found := command.get_command(context, word)) is None:
                return f"`{context.command_path}` has no command `{word}`"
            command, context = found, click.Context(found, parent=context, info_name=word)
        elif word.startswith("-") and word not in ("-", "--"):
            name, _, value = word.partition("=")
            options = {opt: option for option in command.get_params(context) for opt in option.opts}
            if name not in options:
                return f"`{context.command_path}` has no option `{name}`"
            kind = options[name].type
            value = value or (rest[0] if rest else "")
            if isinstance(kind, click.Choice) and not _PLACEHOLDER.match(value) and value not in kind.choices:
                return f"`{context.command_path} {name}` does not take `{value}`"
    return None


def all_options() -> set[str]:
    """Return the options of all our commands."""

    def options(command: click.Command) -> set[str]:
        own = {opt for option in command.get_params(click.Context(command)) for opt in option.opts}
        return own.union(*(options(one) for one in getattr(command, "commands", {}).values()))

    entries = (reference.partition(":") for reference in SCRIPTS.values())
    return set().union(*(options(getattr(import_module(module), function)) for module, _, function in entries))


def _find_mistake_of_compose(arguments: list[str]) -> str | None:
    import yaml

    files = ["docker-compose.yml"]
    while arguments and arguments[0] == "-f":
        files.append(arguments[1])
        del arguments[:2]
    if missing := [file for file in files if not (ROOT / file).exists()]:
        return f"there is no {missing[0]}"
    services = {name for file in files for name in yaml.safe_load((ROOT / file).read_text())["services"]}
    if not arguments or arguments[0] not in ("run", "exec"):
        scaled = [word.partition("=")[0] for word in arguments if re.fullmatch(r"\w+=\d+", word)]
        named = arguments[1:] if arguments[:1] in (["build"], ["logs"], ["start"], ["stop"]) else []
        return next((f"there is no service {name}" for name in (*scaled, *named) if name not in services), None)
    known = services | ({"postgres"} if arguments[0] == "exec" else set())  # which an overlay adds
    index = next((index for index, word in enumerate(arguments) if word in known), None)
    if index is None:
        return "it names no service"
    rest = arguments[index + 1 :]
    if arguments[0] == "exec":
        return find_mistake(rest)
    return find_mistake_of_ours("client", rest) if arguments[index] == "client" else None
