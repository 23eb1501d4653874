"""Both services by mutual TLS and with tokens: the client gets through with its token, and nobody without one."""

import shutil
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families

from lastlayer.client.__main__ import main
from lastlayer.local.services import Service, free_port, running_services
from lastlayer.rpc.credentials.tls import CertificateFiles, channel_credentials
from tests.e2e.test_processes import write_photos
from tests.programs import run, until

CA_SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "make-dev-ca.sh"


@dataclass(frozen=True)
class Secured:
    """Both services, running."""

    folder: Path
    """What the script for a development CA made."""
    featurizer: Service
    classifier: Service
    metrics: dict[str, str]
    """Where each exports its metrics."""

    def client(self, *arguments: str, **environment: str) -> Result:
        """Run the client, which knows the CA, in this process."""
        known = {"LASTLAYER_SERVER": self.classifier.address, "LASTLAYER_TLS_CA": str(self.folder / "ca.pem")}
        return CliRunner().invoke(main, arguments, env={**known, **environment})

    def measured(self, service: str, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples with these labels."""
        with urllib.request.urlopen(f"http://{self.metrics[service]}/metrics") as answer:
            text = answer.read().decode()
        families = text_string_to_metric_families(text)
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    run([str(CA_SCRIPT), str(folder / "tls")])
    tls = folder / "tls"
    metrics = {service: f"127.0.0.1:{free_port()}" for service in ("featurizer", "classifier")}
    environment = {
        "LASTLAYER_BACKBONE": str(tiny_backbone),
        "LASTLAYER_HOME": str(folder / "home"),
        "FEATURIZER_LOG_LEVEL": "DEBUG",
        "CLASSIFIER_LOG_LEVEL": "DEBUG",
        "FEATURIZER_LOG_FORMAT": "json",
        "FEATURIZER_METRICS_ADDRESS": metrics["featurizer"],
        "CLASSIFIER_METRICS_ADDRESS": metrics["classifier"],
        "FEATURIZER_TLS_CLIENT_CA": str(tls / "ca.pem"),
        "CLASSIFIER_FEATURIZER_TLS_CA": str(tls / "ca.pem"),
        "CLASSIFIER_FEATURIZER_TLS_CERT": str(tls / "classifier.pem"),
        "CLASSIFIER_FEATURIZER_TLS_KEY": str(tls / "classifier.key"),
        "CLASSIFIER_FEATURIZER_TOKEN_FILE": str(tls / "classifier.token"),
    }
    for service in ("featurizer", "classifier"):
        environment[f"{service}_TLS_CERT".upper()] = str(tls / f"{service}.pem")
        environment[f"{service}_TLS_KEY".upper()] = str(tls / f"{service}.key")
        environment[f"{service}_TOKENS_FILE".upper()] = str(tls / f"{service}-tokens.toml")
    ours = CertificateFiles(tls / "classifier.pem", tls / "classifier.key", tls / "ca.pem")
    with running_services(folder / "state", environment=environment, credentials=channel_credentials(ours.pem)) as (
        featurizer,
        classifier,
    ):
        yield Secured(tls, featurizer, classifier, metrics)


@pytest.fixture(scope="module")
def photos(secured: Secured, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos that a model was trained on."""
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder / "train", 3)
    trained = secured.client("train", str(folder / "train"), "--token-file", str(secured.folder / "client.token"))
    assert trained.exit_code == 0, trained.stderr
    return folder / "train"


def test_with_its_token_the_client_predicts(secured: Secured, photos: Path) -> None:
    token = (secured.folder / "client.token").read_text().strip()
    photo = str(photos / "blue/000.jpg")
    for arguments, environment in (
        (("--token-file", str(secured.folder / "client.token")), {}),
        ((), {"LASTLAYER_TOKEN_FILE": str(secured.folder / "client.token")}),
        ((), {"LASTLAYER_TOKEN": token}),
        (("--token", token), {}),
    ):
        predicted = secured.client("predict", photo, *arguments, **environment)
        assert (predicted.exit_code, predicted.stderr) == (0, ""), arguments
        assert "predicted as: blue" in predicted.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 3, "This call needs a token"),
        (("--token", "guess"), 3, "Error: The token is not valid."),
        (("--token", ""), 2, "holds no token"),
        (("--token-file", "missing"), 2, "`missing` cannot be read"),
        (("--tls-cert", "missing.pem"), 2, "A certificate and its key go together"),
        (("--tls-ca", "missing.pem"), 2, "`missing.pem` cannot be read"),
    ],
)
def test_without_it_it_says_why_not(secured: Secured, arguments: tuple[str, ...], status: int, said: str) -> None:
    refused = secured.client("models", "list", *arguments)
    assert refused.exit_code == status, refused.stderr
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert ("LASTLAYER_TOKEN" in refused.stderr) == (status == 3)


def test_a_token_is_never_sent_without_tls(secured: Secured) -> None:
    refused = secured.client("models", "list", "--token", "x", LASTLAYER_TLS_CA="")
    assert refused.exit_code == 2
    assert "--token goes with --tls-ca" in refused.stderr


def test_failed_handshakes_are_told_from_a_server_that_is_down(secured: Secured, tmp_path: Path) -> None:
    run([str(CA_SCRIPT), str(tmp_path)])
    for environment, said in (
        (
            {"LASTLAYER_TLS_CA": str(tmp_path / "ca.pem")},
            "it shows no certificate of its name",
        ),
        ({"LASTLAYER_TLS_CA": ""}, "one that uses TLS is called with --tls-ca FILE or --tls"),
    ):
        failed = secured.client("models", "list", **environment)
        assert failed.exit_code == 3
        assert failed.stderr.count("\n") == 1, failed.stderr
        assert said in failed.stderr


def test_calls_and_refusals_are_counted(secured: Secured, photos: Path) -> None:
    def refused() -> float:
        return secured.measured(
            "classifier", "grpc_server_handled_total", grpc_method="ListModels", grpc_code="UNAUTHENTICATED"
        )

    before = refused()
    secured.client("models", "list")
    # A call is counted once its answer has left, so that the client may be faster than the counter.
    until(lambda: refused() == before + 1)
    until(lambda: secured.measured("classifier", "classifier_examples") == len(list(photos.rglob("*.*"))))
    until(lambda: secured.measured("classifier", "classifier_trainings_total", outcome="done") == 1)
    until(lambda: secured.measured("classifier", "classifier_featurizer_up") == 1)
    until(lambda: secured.measured("featurizer", "featurizer_images_total", outcome="done") >= 9)
    until(lambda: secured.measured("featurizer", "featurizer_queue_depth_images") == 0)
    assert secured.measured("featurizer", "featurizer_backbone_info") == 1


def test_a_request_has_one_id_in_the_logs_of_both_services_and_no_token_is_logged(
    secured: Secured, photos: Path
) -> None:
    def ended() -> list[str]:
        lines = secured.classifier.log.read_text().splitlines()
        return [line for line in lines if "Predict" in line and "ended" in line]

    before = len(ended())
    done = secured.client("predict", str(photos / "red/000.jpg"), "--token-file", str(secured.folder / "client.token"))
    assert done.exit_code == 0
    until(lambda: len(ended()) > before)  # the end of a call is logged once its answer has left
    line = ended()[-1]
    logs = {service.script: service.log.read_text() for service in (secured.featurizer, secured.classifier)}
    request_id = line.rpartition("[")[2].rstrip("]")
    assert len(request_id) == 16
    assert f'"request_id": "{request_id}"' in logs["featurizer"]
    for path in secured.folder.glob("*.token"):
        for log in logs.values():
            assert path.read_text().strip() not in log


@pytest.mark.long
def test_renewed_certificates_are_used_by_both_without_a_restart(
    secured: Secured, photos: Path, tmp_path: Path
) -> None:
    """The last test of these: afterwards there is another CA."""
    run([str(CA_SCRIPT), str(tmp_path)])
    for name in ("featurizer", "classifier"):
        for kind in ("key", "pem"):
            shutil.copy(tmp_path / f"{name}.{kind}", secured.folder)
    # Until the classifier knows the new CA it does not trust the featurizer's new certificate, on a new connection.
    shutil.copy(tmp_path / "ca.pem", secured.folder)
    token = str(secured.folder / "client.token")
    predicted = secured.client("predict", str(photos / "green/000.jpg"), "--token-file", token, "--timeout", "60")
    assert predicted.exit_code == 0, predicted.stderr
    assert "the certificates have been renewed" in secured.classifier.log.read_text()
