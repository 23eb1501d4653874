"""What others on the network and on the machine see of services and clients as they come."""

import ipaddress
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.rpc.settings import ServiceSettings, load_settings
from tests.programs import WAIT_S

TOKEN = "a-token-that-nobody-may-see"


@pytest.mark.parametrize("kind", [ClassifierSettings, FeaturizerSettings])
def test_services_listen_on_the_loopback_interface_unless_told_otherwise(
    kind: type[ServiceSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith(("CLASSIFIER_", "FEATURIZER_", "LASTLAYER_")):
            monkeypatch.delenv(name)
    settings = load_settings(kind)
    host, _, _ = str(settings.model_dump()["address"]).rpartition(":")
    assert ipaddress.ip_address(host).is_loopback
    assert settings.metrics_address is None


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="titles of processes are read on Linux alone")
@pytest.mark.parametrize("place", ["environment", "file"])
def test_a_token_is_in_no_title_of_a_process(place: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o600)
    environment = {**os.environ, "LASTLAYER_TOKEN": TOKEN} if place == "environment" else dict(os.environ)
    option = [] if place == "environment" else ["--token-file", str(file)]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-m", "lastlayer.client", "models", "--server", server, "--tls", *option]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
            try:
                silent.settimeout(WAIT_S)
                connection, _ = silent.accept()  # it has its token by now
                with connection:
                    titles = [title_of(process) for process in family(client.pid)]
                    assert len(titles) >= 1
                    assert "models" in titles[0]
                    assert [title for title in titles if TOKEN in title] == []
            finally:
                client.kill()


def title_of(process: int) -> str:
    """Return what others see of a process: its command line, and its name."""
    folder = Path(f"/proc/{process}")
    return folder.joinpath("cmdline").read_text().replace("\0", " ") + folder.joinpath("comm").read_text()


def family(process: int) -> list[int]:
    """Return a process and those that it has started."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(descendant for child in children for descendant in family(int(child)))]
