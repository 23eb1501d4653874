"""Every command, option and setting that a page names is there, also in blocks that no test can run."""

import ast
import importlib
import re
import subprocess

import pytest

from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.featurizer.config import FeaturizerSettings
from tests.markdown import ROOT, RUNNABLE, blocks, commands, spans
from tests.unit.tools.commands import all_options, find_mistake, simple_commands

FOLDERS = (".", "[!.]*", ".github", "docs/**")
PAGES = sorted({path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in ROOT.glob(f"{folder}/*.md")})
HISTORY = {"CHANGELOG.md"}
"""Tells of what was, too."""

LANGUAGES = RUNNABLE | {"js", "json", "mermaid", "text", "toml", "yaml"}


def scripts(page: str) -> list[str]:
    """The shell of a page: its blocks, and each span between backticks."""
    found = spans(page)
    for block in blocks(page):
        if block.language == "sh":
            found.append(block.text)
        elif block.language == "console":
            found += [command.text for command in commands(block)]
    return found


def test_the_pages() -> None:
    assert {"README.md", "docs/explanation/faults.md", "deploy/README.md", "protos/README.md"} <= set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_run_or_says_why_not(page: str) -> None:
    """README.md and docs/ are run by `tests/e2e/pages`, and no other page has a block that would be silently left."""
    is_run = page == "README.md" or page.startswith("docs/")
    for block in blocks(page):
        assert block.language in LANGUAGES, block
        assert is_run or block.not_run or block.language not in RUNNABLE, f"{block} is not run, and does not say why"
        for path in re.findall(r"`((?:tests|\.ci)/\S+?)`", block.not_run):
            assert (ROOT / path).exists(), f"{block}: there is no {path}"


@pytest.mark.parametrize("page", sorted(set(PAGES) - HISTORY))
def test_every_command_and_option_exists(page: str) -> None:
    mistakes = [
        f"{' '.join(command)}: {mistake}"
        for script in scripts(page)
        for command in simple_commands(script)
        if (mistake := find_mistake(command))
    ]
    if not page.startswith("benchmarks/"):  # those programs have options of their own
        named = {span.partition(" ")[0].partition("=")[0] for span in spans(page) if re.match(r"--[a-z]", span)}
        mistakes += [f"no command has the option {name}" for name in sorted(named - all_options())]
    assert mistakes == []


@pytest.mark.parametrize(
    ("script", "mistake"),
    [
        ("client trian photos/", "`client` has no command `trian`"),
        ("client train photos/ --min-precison 0.95", "`client train` has no option `--min-precison`"),
        ("client train --prefer size", "`client train --prefer` does not take `size`"),
        ("client models shw flowers", "`client models` has no command `shw`"),
        (".venv/bin/lastlayer pu", "`lastlayer` has no command `pu`"),
        ("x=$(featurizer serve --port 1)", "`featurizer serve` has no option `--port`"),
        ("make demo && make tset", "make has no `tset`"),
        ("python -m benchmarks.gone", "there is no module `benchmarks.gone`"),
        ("docker compose -f docker-compose.gone.yml up", "there is no docker-compose.gone.yml"),
        ("docker-compose run --rm client predikt new.jpg", "`client` has no command `predikt`"),
        ("docker compose exec -T classifier classifier-svc bakup x.db", "`classifier-svc` has no command `bakup`"),
        ("docker compose stop clasifier", "there is no service clasifier"),
        ("kubectl -n x exec deploy/y -- classifier-svc bakup z.db", "`classifier-svc` has no command `bakup`"),
        ("docker compose up --scale featuriser=2", "there is no service featuriser"),
        ("kubectl apply -k deploy/k8s/gone", "there is no deploy/k8s/gone"),
    ],
)
def test_a_mistake_is_found(script: str, mistake: str) -> None:
    assert [found for command in simple_commands(script) if (found := find_mistake(command))] == [mistake]


@pytest.mark.parametrize(
    "script",
    [
        "client predict new.jpg   # --gone, in a comment",
        "client train --model NAME[:VERSION] --prefer …",
        "a=1 client status --json | grep --gone x > client",
        "docker compose run --rm --user 1:1 client explain img.jpg",
    ],
)
def test_what_is_right_is_no_mistake(script: str) -> None:
    assert [found for command in simple_commands(script) if (found := find_mistake(command))] == []


def test_every_setting_exists() -> None:
    """Of the services by their classes; the others by some file of ours, which is no page, that reads them."""
    settings = {
        f"{kind.model_config['env_prefix']}{field}".upper()
        for kind in (FeaturizerSettings, ClassifierSettings)
        for field in kind.model_fields
    }
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    sources = [ROOT / name for name in listed.split("\0") if name.endswith((".py", ".yml", "Makefile"))]
    if not sources:
        pytest.skip("this is no clone of the repository")
    read = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", "\n".join(path.read_text(encoding="utf-8") for path in sources)))
    assert "FEATURIZER_GONE_" + "X" not in read
    for page in set(PAGES) - HISTORY:
        named = {
            name
            for span in spans(page)
            for name in re.findall(r"\b(?:LASTLAYER|FEATURIZER|CLASSIFIER)_[A-Z_]+\b", span)
        }
        assert named - settings - read == set(), page


@pytest.mark.parametrize("page", PAGES)
def test_python_that_is_not_run_imports_what_exists(page: str) -> None:
    for block in blocks(page):
        if block.language == "python" and block.not_run:
            for node in ast.walk(ast.parse(block.text)):
                if isinstance(node, ast.ImportFrom):
                    module = importlib.import_module(node.module or "")
                    assert all(hasattr(module, alias.name) for alias in node.names), block
