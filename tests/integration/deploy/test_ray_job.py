"""The example for KubeRay: valid pods, a command that `featurizer` takes, and the image that the lock file builds."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from lastlayer.featurizer.__main__ import main
from tests.integration.deploy.test_manifests import KUBERNETES_VERSIONS, VALIDATOR
from tests.markdown import blocks
from tests.programs import run
from tools import tags

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "ray"


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / "rayjob.yaml").read_text())
    return loaded


def templates(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    workers = {group["groupName"]: group["template"] for group in cluster["workerGroupSpecs"]}
    return {"head": cluster["headGroupSpec"]["template"], **workers}


@pytest.mark.long
@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_pods_are_valid_by_the_schemas(job: dict[str, Any], version: str, tmp_path: Path) -> None:
    """The operator makes pods of the templates as they are; of a RayJob itself there is no schema to be had here."""
    for name, template in templates(job).items():
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, **template}))
        run([*VALIDATOR, "--kubernetes-version", version, str(file)])


def test_the_command_is_one(job: dict[str, Any]) -> None:
    program, command, *arguments = shlex.split(job["spec"]["entrypoint"])
    assert program == "featurizer"
    found = main.commands[command]
    context = found.make_context(command, arguments, resilient_parsing=False)
    assert context.params["ray"] == "auto"
    assert context.params["sources"] == ("s3://bucket/photos",)


def test_an_actor_fits_a_worker(job: dict[str, Any]) -> None:
    [group] = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    [asked] = re.findall(r"--num-cpus (\d+)", job["spec"]["entrypoint"])
    [most] = re.findall(r"--actors \d+:(\d+)", job["spec"]["entrypoint"])
    [container] = group["template"]["spec"]["containers"]
    assert group["rayStartParams"]["num-cpus"] == container["resources"]["requests"]["cpu"] == asked
    assert str(group["maxReplicas"]) == most


def test_the_image_is_that_of_the_readme(job: dict[str, Any]) -> None:
    images = {container["image"] for pod in templates(job).values() for container in pod["spec"]["containers"]}
    [image] = images
    [shown] = [block.text for block in blocks("deploy/ray/README.md") if block.text.startswith("docker build")]
    assert image.endswith(f":{tags.version()}")
    assert f"-t {image} ." in shown
    [requirements] = re.findall(r"REQUIREMENTS=(\S+)", shown)
    assert "\nray==" in (ROOT / "requirements" / f"{requirements}.txt").read_text()
