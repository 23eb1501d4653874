"""Fresh virtual environments outside of the project, with our wheel and what a package index has besides."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from tests.markdown import ROOT
from tests.programs import CommandError, run


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what is here."""
    [path] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    return Path(path)


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Callable[[str], Path]:
    """Makes an environment with the wheel and an extra such as `[all]`, once each; returns its folder."""
    made: dict[str, Path] = {}

    def make(extra: str) -> Path:
        if extra not in made:
            folder = tmp_path_factory.mktemp("venv")
            run([sys.executable, "-m", "venv", str(folder)])
            try:
                run([str(folder / "bin/pip"), "install", "--quiet", f"{wheel}{extra}"], timeout_s=1800)
            except CommandError as error:
                if "No matching distribution" not in str(error) and "Could not find a version" not in str(error):
                    raise
                pytest.skip(f"NO INSTALLATION WAS TESTED: the package index cannot be reached: {error}")
            made[extra] = folder
        return made[extra]

    return make


class Installation:
    """Commands of an environment, run in a folder of the user's own with nothing of ours beside it."""

    def __init__(self, environment: Path, folder: Path, settings: dict[str, str], wheel: Path) -> None:
        self.environment = environment
        self.wheel = wheel
        self.folder = folder
        ours = ("LASTLAYER_", "FEATURIZER_", "CLASSIFIER_", "PYTHON")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        self._settings = {**inherited, "PATH": f"{environment / 'bin'}:/usr/bin:/bin", **settings}

    def run(self, script: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a script of the shell."""
        done = subprocess.run(
            ["sh", "-euc", script],
            cwd=self.folder,
            env=self._settings,
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )
        if check and done.returncode:
            raise CommandError(f"`{script}` ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
        return done


@pytest.fixture
def installation(
    tmp_path: Path, environments: Callable[[str], Path], wheel: Path
) -> Iterator[Callable[..., Installation]]:
    """Makes an installation with an extra and settings; what `lastlayer up` started is stopped at the end."""
    made: list[Installation] = []

    def make(extra: str, settings: dict[str, str]) -> Installation:
        made.append(Installation(environments(extra), tmp_path, settings, wheel))
        return made[-1]

    yield make
    for one in made:
        if (one.environment / "bin/lastlayer").exists():
            one.run("lastlayer down", check=False)
