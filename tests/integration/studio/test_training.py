"""Trainings over HTTP: their events, and what ends them."""

import http.client
import json
from typing import Any

from lastlayer.classifier.domain.errors import DatasetNotTrainableError
from lastlayer.studio.routes.training import AT_ONCE
from tests.integration.client.fake_classifier import FakeClassifier
from tests.integration.studio.conftest import Door
from tests.integration.studio.test_door import check_problem
from tests.programs import until


def events(content: bytes) -> list[tuple[str, Any]]:
    found = []
    for block in content.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_a_training_tells_how_far_it_is_and_ends_with_the_version(studio: Door, fake: FakeClassifier) -> None:
    body = {"dataset": "pets", "class_weight": "balanced", "min_precision": 0.9}
    answer = studio("POST", "/v1/models/default:train", body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer.content)
    assert [name for name, _ in told] == ["progress", "progress", "progress", "version"]
    assert told[1][1] == {"message": "step 0", "fraction": 1 / 3}
    assert (told[-1][1]["model"], told[-1][1]["version"], told[-1][1]["dataset"]) == ("default", 1, "pets")
    [request] = fake.messages("Train")
    assert (request.dataset, request.min_precision) == ("pets", 0.9)


def test_what_cannot_be_trained_is_a_problem(studio: Door, fake: FakeClassifier) -> None:
    fake.script["Train"] = [DatasetNotTrainableError("It has one class.")]
    answer = studio("POST", "/v1/models/default:train", {})
    check_problem(answer, 400, "FAILED_PRECONDITION", "DATASET_NOT_TRAINABLE")


def test_who_goes_away_cancels_the_training(studio: Door, fake: FakeClassifier) -> None:
    fake.endless = True
    connection = http.client.HTTPConnection(studio.address, timeout=60)
    connection.request("POST", "/v1/models/default:train", b"{}", {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.readline().startswith(b"event: progress")
    connection.close()
    until(lambda: fake.ended_trainings == 1)


def test_trainings_are_bounded(studio: Door, fake: FakeClassifier) -> None:
    fake.endless = True
    body = {"Content-Type": "application/json"}
    open_ones = []
    for _ in range(AT_ONCE):
        connection = http.client.HTTPConnection(studio.address, timeout=60)
        connection.request("POST", "/v1/models/default:train", b"{}", body)
        open_ones.append(connection)
    until(lambda: fake.count("Train") >= 8)  # as many as the fake has threads
    check_problem(studio("POST", "/v1/models/default:train", {}), 429, "RESOURCE_EXHAUSTED", "OVERLOADED")
    fake.endless = False
    for connection in open_ones:
        answer = connection.getresponse()
        assert events(answer.read())[-1][0] == "version"
        connection.close()
    assert studio("POST", "/v1/models/default:train", {}).status == 200  # there is room again
