"""The base image of ours: pulled, or where no registry can be reached a stand-in made with debootstrap.

The stand-in is a minimal Debian with its Python, under the tag that the Dockerfiles name. This machine's CA bundle and
settings of pip go inside, so that what reaches the package index here reaches it there.
"""

import configparser
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.compose.engine import Engine, NoEngineError
from tests.programs import CommandError, can_use_debian, install, run

BASE: Final = "python:3.11-slim-bookworm"
_SUITE: Final = "bookworm"
_BUNDLE: Final = "etc/ssl/certs/ca-certificates.crt"


def provide_base_image(engine: Engine) -> str:
    """Make sure that the engine has the base image; returns how: `there already`, `pulled` or `stand-in`.

    Raises `NoEngineError` where it can be had in no way.
    """
    if engine.docker("images", "--quiet", BASE).strip():
        return "there already"
    with contextlib.suppress(CommandError, subprocess.TimeoutExpired):
        engine.docker("pull", "--quiet", BASE, timeout_s=600)
        return "pulled"
    if not can_use_debian():
        raise NoEngineError(f"{BASE} cannot be pulled, and only root on a Debian machine can make a stand-in for it")
    root = engine.folder / "base"
    packages = "--include=python3,python3-venv,ca-certificates"
    try:
        install(["debootstrap"])
        run(["debootstrap", "--variant=minbase", packages, _SUITE, str(root)], timeout_s=900)
    except (CommandError, subprocess.TimeoutExpired) as error:
        raise NoEngineError(f"{BASE} can neither be pulled nor made: {error}") from error
    _equip(root)
    archive = engine.folder / "base.tar"
    run(["tar", "--create", "--file", str(archive), "--directory", str(root), "."])
    engine.docker("import", "--change", 'CMD ["python3"]', str(archive), BASE)
    archive.unlink()
    shutil.rmtree(root)
    return "stand-in"


def _equip(root: Path) -> None:
    for left in (*(root / "var/cache/apt/archives").glob("*.deb"), *(root / "var/lib/apt/lists").glob("*_*")):
        left.unlink()
    settings = _pip_settings()
    bundle = settings.get("cert") or os.environ.get("SSL_CERT_FILE") or f"/{_BUNDLE}"
    if Path(bundle).is_file():
        shutil.copy(bundle, root / _BUNDLE)
        settings["cert"] = f"/{_BUNDLE}"
    config = configparser.RawConfigParser()
    config["global"] = settings
    with (root / "etc/pip.conf").open("w") as file:
        config.write(file)


def _pip_settings() -> dict[str, str]:
    """Return this machine's settings of pip, from its files and environment, without files that are only here.

    Constraints are among those: the images install exactly what the lock files say.
    """
    settings: dict[str, str] = {}
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    # The environment comes last, and wins.
    for line in run([*pip, "config", "list"]).splitlines():
        if match := re.fullmatch(r"(?:global|install|download|:env:)\.([a-z-]+)=(.*)", line):
            words = [word for value in shlex.split(match[2]) for word in value.split()]
            kept = [word for word in words if not word.startswith("file:") and not _is_local(match[1], word)]
            if kept:
                settings[match[1]] = "\n".join(kept)
    return settings


def _is_local(setting: str, value: str) -> bool:
    return setting in {"find-links", "cache-dir", "constraint", "log"} and "://" not in value


def bytes_on_top(engine: Engine, image: str) -> int:
    """Return how much larger an image is than the base image."""
    sizes = [json.loads(engine.docker("image", "inspect", name))[0]["Size"] for name in (image, BASE)]
    return int(sizes[0] - sizes[1])
