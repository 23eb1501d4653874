"""With logs as JSON every line of both services is a JSON object, TensorFlow's and gRPC's included."""

import json
from pathlib import Path
from typing import Any

import pytest

from lastlayer.local.services import Service, running_services

SERVICES = ("featurizer", "classifier")


def records(service: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.log.read_text().splitlines()]


def test_every_line_of_both_services_parses(tmp_path: Path, tiny_backbone: Path) -> None:
    environment = {
        "LASTLAYER_BACKBONE": str(tiny_backbone),
        "LASTLAYER_HOME": str(tmp_path / "home"),
        "FEATURIZER_LOG_FORMAT": "json",
        "CLASSIFIER_LOG_FORMAT": "json",
    }
    with running_services(tmp_path / "state", environment=environment) as pair:
        pass
    for service in pair:
        found = records(service)
        assert all({"time", "level", "logger", "message"} <= set(record) for record in found)
        messages = [record["message"] for record in found]
        assert any(message.startswith("serving") for message in messages), messages
        assert messages[-1] == "stopped"
    # TensorFlow says something when it is loaded. Were it silent, this would show nothing.
    assert "stderr" in {record["logger"] for record in records(pair[0])}


@pytest.mark.parametrize("name", SERVICES)
def test_so_does_the_reason_why_a_service_ends(tmp_path: Path, tiny_backbone: Path, name: str) -> None:
    environment = {
        "LASTLAYER_BACKBONE": str(tiny_backbone),
        "LASTLAYER_HOME": str(tmp_path / "home"),
        f"{name.upper()}_LOG_FORMAT": "json",
        f"{name.upper()}_ADDRESS": "192.0.2.1:1",  # no address of this machine
    }
    script = {"featurizer": "featurizer", "classifier": "classifier-svc"}[name]
    service = Service(script, "192.0.2.1:1", tmp_path / "log", environment)
    service.start()
    try:
        assert service.started.wait(120) == 1
    finally:
        service.kill()
    last = records(service)[-1]
    assert (last["level"], last["logger"]) == ("ERROR", "stderr")
    assert last["message"].startswith("Error: Cannot listen on 192.0.2.1:1")
