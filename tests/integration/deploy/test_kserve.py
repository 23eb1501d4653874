"""The example for KServe: valid pods, variables that the services know, and names and ports that fit each other."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.rpc.settings import ServiceSettings
from tests.integration.deploy.test_manifests import KUBERNETES_VERSIONS, VALIDATOR
from tests.markdown import blocks
from tests.programs import run
from tools import tags

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "kserve"
SERVICES: dict[str, type[ServiceSettings]] = {"classifier": ClassifierSettings, "featurizer": FeaturizerSettings}

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    return list(yaml.safe_load_all((FOLDER / "inference-services.yaml").read_text()))


@pytest.fixture(scope="module")
def predictors(manifests: list[Manifest]) -> dict[str, Manifest]:
    found = {
        one["metadata"]["name"]: one["spec"]["predictor"] for one in manifests if one["kind"] == "InferenceService"
    }
    assert found.keys() == SERVICES.keys()
    return found


def container(predictor: Manifest) -> Manifest:
    [found] = predictor["containers"]
    assert found["name"] == "kserve-container"
    return dict(found)


@pytest.mark.long
@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_pods_and_claims_are_valid_by_the_schemas(
    manifests: list[Manifest], predictors: dict[str, Manifest], version: str, tmp_path: Path
) -> None:
    """KServe makes pods of what a predictor has beside its own fields; of those there is no schema to be had here."""
    own = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "deploymentStrategy"}
    claims = [one for one in manifests if one["kind"] == "PersistentVolumeClaim"]
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {key: value for key, value in predictor.items() if key not in own},
        }
        for name, predictor in predictors.items()
    ]
    for number, manifest in enumerate([*pods, *claims]):
        file = tmp_path / f"{number}.yaml"
        file.write_text(yaml.safe_dump(manifest))
        run([*VALIDATOR, "--kubernetes-version", version, str(file)])


def test_ports_are_those_of_the_images_and_marked_as_grpc(predictors: dict[str, Manifest]) -> None:
    for name, predictor in predictors.items():
        known = container(predictor)
        [exposed] = re.findall(r"^EXPOSE (\d+)$", (ROOT / f"deploy/{name}.Dockerfile").read_text(), re.MULTILINE)
        [port] = known["ports"]
        assert (port["name"], str(port["containerPort"])) == ("h2c", exposed)
        for probe in ("startupProbe", "readinessProbe"):
            assert known[probe]["grpc"]["port"] == port["containerPort"]


def test_variables_are_settings_and_the_classifier_finds_the_featurizer(predictors: dict[str, Manifest]) -> None:
    for name, predictor in predictors.items():
        kind = SERVICES[name]
        prefix = kind.model_config["env_prefix"]
        known = {str(field.validation_alias or f"{prefix}{key.upper()}") for key, field in kind.model_fields.items()}
        assert {variable["name"] for variable in container(predictor)["env"]} <= known
    [target] = [
        variable["value"]
        for variable in container(predictors["classifier"])["env"]
        if variable["name"] == "CLASSIFIER_FEATURIZER"
    ]
    assert (
        ClassifierSettings.model_validate({"featurizer": target}).featurizer_target == "dns:///featurizer-predictor:80"
    )


def test_a_store_in_sqlite_has_one_classifier_at_a_time(predictors: dict[str, Manifest]) -> None:
    classifier = predictors["classifier"]
    assert (classifier["minReplicas"], classifier["maxReplicas"]) == (1, 1)
    assert classifier["deploymentStrategy"]["type"] == "Recreate"


def test_pods_are_restricted(predictors: dict[str, Manifest]) -> None:
    for predictor in predictors.values():
        assert predictor["securityContext"]["runAsNonRoot"] is True
        assert container(predictor)["securityContext"]["readOnlyRootFilesystem"] is True
        assert container(predictor)["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_images_are_those_of_the_readme(predictors: dict[str, Manifest]) -> None:
    [shown] = [block.text for block in blocks("deploy/kserve/README.md") if block.text.startswith("docker build")]
    for name, predictor in predictors.items():
        image = f"lastlayer-{name}:{tags.version()}"
        assert container(predictor)["image"] == image
        assert f"docker build -f deploy/{name}.Dockerfile -t {image} ." in shown
