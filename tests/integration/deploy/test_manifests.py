"""The Kubernetes manifests, rendered with kustomize: valid by the schemas of the API itself. No cluster is needed."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.studio.config import StudioSettings
from tests.markdown import blocks
from tests.programs import CommandError, can_use_debian, debian_package, run
from tools import tags

pytestmark = pytest.mark.long

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "k8s"
KUSTOMIZATIONS = sorted(path.parent.relative_to(FOLDER).as_posix() for path in FOLDER.glob("**/kustomization.yaml"))
KUBERNETES_VERSIONS = ("1.30", "1.37")
"""The oldest that has all that the manifests use, and the newest that the validator knows."""

VALIDATOR = (sys.executable, "-m", "kubernetes_validate", "--strict")

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def kustomize(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The command that renders a kustomization; out of a later Debian where this machine has none."""
    if shutil.which("kustomize"):
        return ("kustomize", "build")
    if shutil.which("kubectl"):
        return ("kubectl", "kustomize")
    if can_use_debian():
        files = debian_package("kustomize", tmp_path_factory.mktemp("kustomize"))
        return (str(files / "usr/bin/kustomize"), "build")
    pytest.skip("NO MANIFEST WAS CHECKED: there is neither kustomize nor kubectl")


@pytest.fixture(params=KUSTOMIZATIONS)
def rendered(request: pytest.FixtureRequest, kustomize: tuple[str, ...], tmp_path: Path) -> Path:
    """A file with all that a kustomization yields."""
    file = tmp_path / "rendered.yaml"
    file.write_text(run([*kustomize, str(FOLDER / request.param)]))
    return file


@pytest.fixture
def manifests(rendered: Path) -> list[Manifest]:
    return list(yaml.safe_load_all(rendered.read_text()))


def of_kind(manifests: list[Manifest], kind: str) -> Iterator[Manifest]:
    return (manifest for manifest in manifests if manifest["kind"] == kind)


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_valid_by_the_schemas(rendered: Path, version: str) -> None:
    run([*VALIDATOR, "--kubernetes-version", version, str(rendered)])


def test_validator_finds_what_is_wrong(rendered: Path) -> None:
    wrong = rendered.read_text().replace("terminationGracePeriodSeconds", "terminationGraceSeconds")
    rendered.write_text(wrong)
    with pytest.raises(CommandError, match="terminationGraceSeconds"):
        run([*VALIDATOR, str(rendered)])


def test_pods_are_restricted(manifests: list[Manifest]) -> None:
    """By the profile `restricted` of the Pod Security Standards, which the namespace enforces."""
    pods = [deployment["spec"]["template"]["spec"] for deployment in of_kind(manifests, "Deployment")]
    assert len(pods) == 3
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_images_have_the_version(manifests: list[Manifest]) -> None:
    for deployment in of_kind(manifests, "Deployment"):
        template = deployment["spec"]["template"]
        [container] = template["spec"]["containers"]
        assert container["image"].rpartition(":")[2] == tags.version()
        assert template["metadata"]["labels"]["app.kubernetes.io/version"] == tags.version()
        # Which never changes, so that a new version can be applied over the old one.
        assert set(deployment["spec"]["selector"]["matchLabels"]) == {"app.kubernetes.io/name"}


def test_an_overlay_of_ones_own_takes_the_version_from_the_base(kustomize: tuple[str, ...], tmp_path: Path) -> None:
    """The one that docs/how-to/operate/kubernetes.md shows."""
    shutil.copytree(FOLDER, tmp_path / "k8s")
    [shown] = [block for block in blocks("docs/how-to/operate/kubernetes.md") if block.language == "yaml"]
    own = tmp_path / "k8s/overlays/mine"
    own.mkdir()
    (own / "kustomization.yaml").write_text(shown.text)
    rendered = run([*kustomize, str(own)])
    images = {line.split()[-1] for line in rendered.splitlines() if line.strip().startswith("image:")}
    assert images == {
        f"registry.example.org/lastlayer-{service}:{tags.version()}"
        for service in ("featurizer", "classifier", "studio")
    }


def test_all_that_is_mounted_is_there(manifests: list[Manifest]) -> None:
    claims = {claim["metadata"]["name"] for claim in of_kind(manifests, "PersistentVolumeClaim")}
    for deployment in of_kind(manifests, "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
        wanted = {volume.get("persistentVolumeClaim", {}).get("claimName") for volume in pod["volumes"]} - {None}
        assert wanted <= claims


def test_selectors_meet_the_pods(manifests: list[Manifest]) -> None:
    pods = [deployment["spec"]["template"]["metadata"]["labels"] for deployment in of_kind(manifests, "Deployment")]
    selectors = [service["spec"]["selector"] for service in of_kind(manifests, "Service")]
    budgets = of_kind(manifests, "PodDisruptionBudget")
    policies = of_kind(manifests, "NetworkPolicy")
    selectors += [budget["spec"]["selector"]["matchLabels"] for budget in budgets]
    selectors += [policy["spec"]["podSelector"]["matchLabels"] for policy in policies]
    for selector in selectors:
        assert any(selector.items() <= labels.items() for labels in pods), selector


def test_several_replicas_have_a_headless_service(manifests: list[Manifest]) -> None:
    """By any other gRPC would keep to the one that it reached first."""
    services = of_kind(manifests, "Service")
    headless = {service["metadata"]["name"]: service["spec"].get("clusterIP") for service in services}
    for deployment in of_kind(manifests, "Deployment"):
        if deployment["spec"].get("replicas") != 1:  # an autoscaler's Deployment says no number
            assert headless[deployment["metadata"]["name"]] == "None"


def test_only_the_classifier_reaches_the_featurizer(manifests: list[Manifest]) -> None:
    [policy] = [policy for policy in of_kind(manifests, "NetworkPolicy") if policy["metadata"]["name"] == "featurizer"]
    rule, metrics = policy["spec"]["ingress"]
    assert metrics["ports"] == [{"port": 9464}]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "classifier"}}}]


SECRETS = {
    "featurizer": {"featurizer-tls", "featurizer-tokens"},
    "classifier": {"classifier-tls", "classifier-tokens", "featurizer-token"},
    "studio": {"classifier-tls"},  # of which it sees the CA alone
}


@pytest.fixture
def is_open(request: pytest.FixtureRequest) -> bool:
    """Whether the kustomization is the one that goes without TLS and tokens."""
    return bool(request.node.callspec.params["rendered"] == "overlays/open")


def test_tls_and_tokens_unless_opened(manifests: list[Manifest], is_open: bool) -> None:
    for deployment in of_kind(manifests, "Deployment"):
        name, pod = deployment["metadata"]["name"], deployment["spec"]["template"]["spec"]
        [container] = pod["containers"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        settings = {entry["name"]: entry.get("value", "") for entry in container["env"]}
        protected = {key for key in settings if key.startswith(name.upper()) and ("_TLS_" in key or "_TOKEN" in key)}
        secrets = {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
        assert secrets == (set() if is_open else SECRETS[name])
        assert bool(protected) is not is_open
        # Each file of a setting lies in a folder that is mounted.
        assert {str(Path(settings[key]).parent) for key in protected} <= set(mounts.values())
        if name == "studio":  # called by HTTP
            continue
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert ("grpc" in container[probe]) is is_open
            command = container[probe].get("exec", {}).get("command", [])
            assert is_open or "--tls-ca=/etc/lastlayer/tls/ca.crt" in command


def test_the_studio_is_given_no_key_and_no_token(manifests: list[Manifest], is_open: bool) -> None:
    [studio] = [one for one in of_kind(manifests, "Deployment") if one["metadata"]["name"] == "studio"]
    secrets = [volume["secret"] for volume in studio["spec"]["template"]["spec"]["volumes"] if "secret" in volume]
    assert [secret["items"] for secret in secrets] == ([] if is_open else [[{"key": "ca.crt", "path": "ca.crt"}]])
    [service] = [one for one in of_kind(manifests, "Service") if one["metadata"]["name"] == "studio"]
    assert service["spec"].get("type", "ClusterIP") == "ClusterIP"
    assert service["spec"]["ports"][0]["appProtocol"] == "http"


def test_settings_are_settings_of_the_services(manifests: list[Manifest]) -> None:
    known = {
        f"{kind.model_config['env_prefix']}{field}".upper()
        for kind in (FeaturizerSettings, ClassifierSettings, StudioSettings)
        for field in kind.model_fields
    }
    for deployment in of_kind(manifests, "Deployment"):
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        used = {entry["name"] for entry in container["env"]}
        assert {name for name in used if not name.startswith("LASTLAYER_")} <= known


def test_who_reaches_the_classifier(manifests: list[Manifest], is_open: bool) -> None:
    [policy] = [policy for policy in of_kind(manifests, "NetworkPolicy") if policy["metadata"]["name"] == "classifier"]
    label = {"matchLabels": {"lastlayer-client": "true"}}
    rule = policy["spec"]["ingress"][0]
    assert rule.get("from") == (None if is_open else [{"podSelector": label}, {"namespaceSelector": label}])


def test_one_classifier_unless_the_store_is_shared(manifests: list[Manifest]) -> None:
    [classifier] = [one for one in of_kind(manifests, "Deployment") if one["metadata"]["name"] == "classifier"]
    on_sqlite = bool(list(of_kind(manifests, "PersistentVolumeClaim")))
    if on_sqlite:
        assert classifier["spec"]["replicas"] == 1
        assert classifier["spec"]["strategy"]["type"] == "Recreate"
    else:
        names = [entry["name"] for entry in classifier["spec"]["template"]["spec"]["containers"][0]["env"]]
        assert "CLASSIFIER_STORE_URL" in names
