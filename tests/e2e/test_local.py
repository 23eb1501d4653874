"""The command `lastlayer`: all services in the background of this machine."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lastlayer.local.services import SCRIPTS, free_port, from_environment

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(tmp_path: Path, tiny_backbone: Path) -> dict[str, str]:
    return {
        **os.environ,
        "LASTLAYER_HOME": str(tmp_path / "home"),
        "LASTLAYER_BACKBONE": str(tiny_backbone),
        "FEATURIZER_ADDRESS": f"127.0.0.1:{free_port()}",
        "CLASSIFIER_ADDRESS": f"127.0.0.1:{free_port()}",
        "STUDIO_ADDRESS": f"127.0.0.1:{free_port()}",
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Iterator[Run]:
    """Runs a command of ours to its end; what `lastlayer up` started is stopped afterwards."""

    def run(script: str, *arguments: str, **changed: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [SCRIPTS / script, *arguments],
            env={**environment, "LASTLAYER_SERVER": environment["CLASSIFIER_ADDRESS"], **changed},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    yield run
    run("lastlayer", "down")


@pytest.mark.long  # the tests of the pages start all in the same way
def test_up_returns_once_all_is_served(run: Run, environment: dict[str, str]) -> None:
    done = run("lastlayer", "up", CLASSIFIER_STORE_URL="mysql://nowhere/store")  # it chooses the store itself
    assert done.returncode == 0, done.stderr
    assert environment["CLASSIFIER_ADDRESS"] in done.stdout
    page = f"http://{environment['STUDIO_ADDRESS']}"
    assert "Next: client train" in done.stdout
    assert done.stdout.splitlines()[-1].endswith(f"open {page} in a browser")
    with urllib.request.urlopen(page) as answer:
        assert b"<title>Lastlayer</title>" in answer.read()
    found = run("client", "status")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "NOT_SERVING" not in found.stdout
    again = run("lastlayer", "up")  # it finds what runs
    assert again.returncode == 0, again.stderr
    shown = run("lastlayer", "status")
    assert shown.returncode == 0
    assert shown.stdout.count(" serves at ") == 3
    logs = run("lastlayer", "logs", "--lines", "3")
    assert logs.stdout.count("==> ") == 3
    assert "serving" in logs.stdout
    stopped = run("lastlayer", "down")
    assert (stopped.returncode, stopped.stdout.splitlines()) == (
        0,
        ["studio stopped", "classifier-svc stopped", "featurizer stopped"],
    )
    assert run("lastlayer", "status").returncode == 1


@pytest.mark.parametrize(
    "taken",
    [
        pytest.param("FEATURIZER_ADDRESS", marks=pytest.mark.long),
        "CLASSIFIER_ADDRESS",
        pytest.param("STUDIO_ADDRESS", marks=pytest.mark.long),
    ],
)
def test_a_taken_port_is_named_with_its_holder(run: Run, environment: dict[str, str], taken: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(environment[taken].rpartition(":")[2])))
        other.listen()
        done = run("lastlayer", "up")
    assert done.returncode == 1
    assert f"cannot listen at {environment[taken]}" in done.stderr
    assert f"set {taken} to another HOST:PORT" in done.stderr
    if sys.platform == "linux":
        assert f"process {os.getpid()} has the port" in done.stderr
    assert run("lastlayer", "status").stdout.count("does not run") == 3  # nothing is left half


@pytest.mark.long
def test_a_service_that_does_not_start_leaves_nothing(run: Run) -> None:
    done = run("lastlayer", "up", CLASSIFIER_LOG_LEVEL="loud")
    assert done.returncode == 1
    assert "CLASSIFIER_LOG_LEVEL is `loud`" in done.stderr
    assert run("lastlayer", "status").stdout.count("does not run") == 3


def test_a_stale_process_id_is_nobody_of_ours(run: Run, environment: dict[str, str]) -> None:
    folder = Path(environment["LASTLAYER_HOME"]) / "run"
    folder.mkdir(parents=True)
    (folder / "featurizer.pid").write_text(str(os.getpid()))
    assert "featurizer does not run" in run("lastlayer", "down").stdout


def test_a_service_that_nobody_waits_for_is_stopped_too(run: Run, environment: dict[str, str]) -> None:
    """Its parent may never ask for its end, such as the first process of a container; it stays a zombie then."""
    folder = Path(environment["LASTLAYER_HOME"]) / "run"
    folder.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "lastlayer.featurizer"]) as process:
        (folder / "featurizer.pid").write_text(str(process.pid))
        stopped = run("lastlayer", "down")
        assert (stopped.returncode, stopped.stdout.splitlines()[2:]) == (0, ["featurizer stopped"]), stopped.stderr
        assert process.wait() == -signal.SIGTERM


def test_help_imports_nothing_heavy() -> None:
    program = "import sys, lastlayer.local.__main__; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"tensorflow", "grpc", "psutil", "pydantic"} & set(done.stdout.split())


def test_the_services_run_without_the_page_where_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "fastapi" else found(name))
    assert [service.script for service in from_environment()] == ["featurizer", "classifier-svc"]


@pytest.mark.parametrize(
    ("command", "extra"), [(["up"], "all"), (["demo"], "all"), (["export", "--to", "app.tflite"], "featurizer")]
)
def test_what_is_missing_is_said(command: list[str], extra: str) -> None:
    program = (
        "import sys, importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'tensorflow' else find(name, *rest)\n"
        f"from lastlayer.local.__main__ import main; main({command})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"Error: The featurizer is not installed; pip install 'lastlayer[{extra}]' installs it." in done.stderr
