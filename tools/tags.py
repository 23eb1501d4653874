"""Puts the version of pyproject.toml where it cannot be read from there: into the tags of our images."""

import re
import tomllib
from pathlib import Path

from tools import ROOT


def version() -> str:
    """Return the version that pyproject.toml names."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def files() -> list[Path]:
    """Return the files that name our images or the version."""
    return [
        *sorted(ROOT.glob("docker-compose*.yml")),
        *sorted((ROOT / "deploy").glob("*.Dockerfile")),
        ROOT / "deploy/k8s/base/kustomization.yaml",
        *sorted((ROOT / "deploy/kserve").iterdir()),
        *sorted((ROOT / "deploy/ray").iterdir()),
    ]


def set_tags(text: str, version: str) -> str:
    """Return the text of such a file with each of our images at this version."""
    image = re.compile(r"((?:image:|-t) (?:[\w.-]+/)?lastlayer-[a-z-]+)(?::\S+)?")
    label = re.compile(r"((?:newTag|app\.kubernetes\.io/version):) \S+")
    return label.sub(rf"\1 {version}", image.sub(rf"\1:{version}", text))
