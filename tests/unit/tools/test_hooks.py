"""What contributors meet first: hooks that check what `make lint` checks, and forms for issues that GitHub accepts."""

import re

import pytest
import yaml

from tests.markdown import ROOT
from tests.unit.tools.commands import find_mistake, simple_commands

HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))


def test_hooks_are_our_own_tools_alone() -> None:
    """So that a commit is checked by the versions of the lock file."""
    [local] = HOOKS
    assert local["repo"] == "local"
    assert {hook["language"] for hook in local["hooks"]} == {"system"}


def test_hooks_check_what_make_lint_checks() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [prerequisites, recipe] = re.findall(r"^lint: (.*?) ##.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[0]
    wanted = {line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()}
    wanted |= {f"make {name}" for name in prerequisites.split() if name != "install"}
    assert {hook["entry"].replace(" --force-exclude", "") for hook in HOOKS[0]["hooks"]} == wanted


@pytest.mark.parametrize("form", [form for form in FORMS if form.name != "config.yml"], ids=lambda form: form.stem)
def test_forms_are_what_github_accepts(form) -> None:
    text = form.read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    assert {"name", "description", "body"} <= content.keys() <= {"name", "description", "labels", "body"}
    asked = [entry for entry in content["body"] if entry["type"] != "markdown"]
    ids = [entry["id"] for entry in asked]
    assert len(set(ids)) == len(ids) > 0
    for entry in content["body"]:
        attributes = entry["attributes"]
        assert entry["type"] in {"markdown", "textarea", "input", "dropdown"}
        assert attributes["value" if entry["type"] == "markdown" else "label"]
        assert (entry["type"] == "dropdown") == ("options" in attributes)
    for span in re.findall(r"`([^`]+)`", text):
        assert [mistake for command in simple_commands(span) if (mistake := find_mistake(command))] == []


def test_there_are_forms_for_what_is_wrong_and_what_is_missing() -> None:
    assert [form.stem for form in FORMS] == ["bug", "config", "idea"]
