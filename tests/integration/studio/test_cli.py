"""The command `studio`: what it is told, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from click.testing import CliRunner

from lastlayer.local.services import free_port
from lastlayer.studio.__main__ import main
from tests.programs import until


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_it_serves_until_it_is_told_to_stop() -> None:
    address = f"127.0.0.1:{free_port()}"
    environment = {**os.environ, "STUDIO_ADDRESS": address, "STUDIO_CLASSIFIER": "127.0.0.1:1"}
    command = [sys.executable, "-m", "lastlayer.studio", "serve"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: answers(address) or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=120)
    assert process.returncode == 0, log
    assert f"The studio is at http://{address}" in log


def test_a_taken_port_is_told_of() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = CliRunner().invoke(main, ["serve", "--address", address])
    assert done.exit_code == 1
    assert f"cannot listen at {address}" in done.output


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("STUDIO_ADDRESS", "8080", "HOST:PORT is needed, such as 127.0.0.1:8080"),
        ("STUDIO_HOSTS", "https://studio.example", "without scheme and port"),
        ("STUDIO_CLASSIFIER", "classifier", "HOST:PORT is needed, such as 127.0.0.1:50052"),
        ("STUDIO_CLASSIFIER_TLS_CERT", "x.pem", "STUDIO_CLASSIFIER_TLS_KEY go together"),
        ("STUDIO_CLASSIFIER_TLS_CA", "/nowhere/ca.pem", "/nowhere/ca.pem"),
        ("STUDIO_ADRESS", "127.0.0.1:1", "STUDIO_ADDRESS is meant, perhaps"),
    ],
)
def test_wrong_settings_are_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str) -> None:
    monkeypatch.setenv("STUDIO_ADDRESS", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv(variable, value)
    done = CliRunner().invoke(main, ["serve"])
    assert done.exit_code == 2
    assert said in done.output


def test_help_imports_nothing_heavy() -> None:
    program = "import sys, lastlayer.studio.__main__; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"fastapi", "grpc", "pydantic", "uvicorn"} & set(done.stdout.split())
