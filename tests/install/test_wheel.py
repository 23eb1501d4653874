"""What `pip install` of our wheel brings, in fresh environments: all of it at work, and how little the client is."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lastlayer.local.services import free_port
from lastlayer.testing.tiny_backbone import write_tiny_backbone
from tests.e2e.test_processes import write_photos
from tests.install.conftest import Installation
from tests.markdown import ROOT, blocks

MAX_CLIENT_BYTES = 75e6

Install = Callable[..., Installation]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    return {
        "HOME": str(tmp_path),
        "LASTLAYER_HOME": str(tmp_path / ".lastlayer"),
        "LASTLAYER_BACKBONE": str(write_tiny_backbone(tmp_path / "network")),
        "FEATURIZER_ADDRESS": f"127.0.0.1:{free_port()}",
        "CLASSIFIER_ADDRESS": (classifier := f"127.0.0.1:{free_port()}"),
        "LASTLAYER_SERVER": classifier,
    }


def size(environment: Path) -> int:
    """The bytes of what was installed, without pip and setuptools, which every environment has."""
    [packages] = (environment / "lib").glob("python3.*/site-packages")
    given = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence")
    return sum(
        file.stat().st_size
        for file in packages.rglob("*")
        if file.is_file() and not file.relative_to(packages).parts[0].startswith(given)
    )


def test_the_client_alone(install_client: Installation, record_property: Callable[[str, object], None]) -> None:
    """Its size counts the bytecode, too, which pip compiles."""
    record_property("megabytes", size(install_client.environment) / 1e6)
    assert size(install_client.environment) < MAX_CLIENT_BYTES
    assert "Usage: client" in install_client.run("client --help").stdout
    there = install_client.run("python -c 'import lastlayer.client; print(lastlayer.client.__file__)'").stdout
    assert there.startswith(str(install_client.environment))
    for command in ("featurizer list", "classifier-svc serve", "lastlayer up"):
        done = install_client.run(command, check=False)
        assert done.returncode != 0
        assert "pip install 'lastlayer[" in done.stderr, f"{command}: {done.stderr}"
        assert "Traceback" not in done.stderr, f"{command}: {done.stderr}"


@pytest.fixture
def install_client(installation: Install, settings: dict[str, str]) -> Installation:
    return installation("", settings)


def test_all_of_it(installation: Install, settings: dict[str, str], tmp_path: Path) -> None:
    """Up, train, predict, upgrade as docs/how-to/operate/upgrading.md says, predict the same, down."""
    installed = installation("[all]", settings)
    write_photos(tmp_path / "photos", each=4)
    installed.run("cp photos/blue/000.jpg new.jpg")
    assert " serves at " in installed.run("lastlayer up").stdout
    assert "Version 1 of model default: 12 examples of 3 classes" in installed.run("client train photos").stdout
    predicted = installed.run("client predict new.jpg").stdout
    assert predicted.startswith("Image: new.jpg predicted as: blue with score: ")
    [upgrade] = [block.text for block in blocks("docs/how-to/operate/upgrading.md") if "pip install" in block.text]
    again = upgrade.replace("'lastlayer[all]'", f"--no-deps --force-reinstall {installed.wheel}")
    assert again != upgrade
    assert "before-upgrade.db (" in installed.run(again).stdout
    assert installed.run("client predict new.jpg").stdout == predicted
    stopped = installed.run("lastlayer down").stdout.splitlines()
    assert stopped == ["studio stopped", "classifier-svc stopped", "featurizer stopped"]


def test_what_others_test_with(installation: Install, settings: dict[str, str], tmp_path: Path) -> None:
    """pytest finds the fixtures by itself, and nothing needs TensorFlow."""
    installed = installation("[testing]", settings)
    installed.run("pip install --quiet pytest")
    shutil.copytree(ROOT / "examples/testing", tmp_path / "sorting", ignore=shutil.ignore_patterns("__pycache__"))
    assert "2 passed" in installed.run("cd sorting && pytest -q -W error -p no:cacheprovider").stdout
    assert "tensorflow" not in installed.run("pip list").stdout.lower()
