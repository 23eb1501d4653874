"""Every combination of the Compose files is one that every version of Compose accepts."""

import itertools
import os

import pytest

from tests.compose.engine import Engine
from tests.compose.project import ROOT, Project
from tests.programs import CommandError

OVERLAYS = sorted(path.name for path in ROOT.glob("docker-compose.*.yml"))
COMBINATIONS = [chosen for count in range(len(OVERLAYS) + 1) for chosen in itertools.combinations(OVERLAYS, count)]
SETTINGS = {"POSTGRES_PASSWORD": "secret"}


def projects(engine: Engine, overlays: tuple[str, ...], settings: dict[str, str]) -> list[Project]:
    files = ("docker-compose.yml", *overlays)
    return [Project(engine, command, settings, files) for command in engine.composes]


@pytest.mark.parametrize("overlays", COMBINATIONS, ids="+".join)
def test_combination_is_accepted(overlays: tuple[str, ...], container_engine: Engine) -> None:
    for project in projects(container_engine, overlays, SETTINGS):
        project.compose("config", "--quiet")


def test_gpu_goes_to_the_featurizer(container_engine: Engine) -> None:
    for project in projects(container_engine, ("docker-compose.gpu.yml",), {}):
        rendered = project.compose("config")
        assert "driver: nvidia" in rendered
        assert "REQUIREMENTS: featurizer-gpu" in rendered


def test_postgres_needs_a_password(container_engine: Engine) -> None:
    assert "POSTGRES_PASSWORD" not in os.environ
    for project in projects(container_engine, ("docker-compose.postgres.yml",), {}):
        with pytest.raises(CommandError, match="POSTGRES_PASSWORD"):
            project.compose("config", "--quiet")


def test_several_classifiers_get_ports_of_a_range(container_engine: Engine) -> None:
    environment = {"POSTGRES_PASSWORD": "x", "LASTLAYER_PORT": "50052-50053"}
    for project in projects(container_engine, ("docker-compose.postgres.yml",), environment):
        assert "50052-50053" in project.compose("config")


def test_a_folder_can_be_the_mirror(container_engine: Engine) -> None:
    for project in projects(container_engine, (), {"LASTLAYER_MIRROR": "./deploy"}):
        assert str(ROOT / "deploy") in project.compose("config")
