"""`client drift`: what it says, what to do next, and how it exits."""

import json

import pytest

from lastlayer.client import Client
from lastlayer.v1 import classifier_pb2
from tests.integration.client.conftest import Run
from tests.integration.client.fake_classifier import FakeClassifier

STATES = {
    classifier_pb2.DRIFT_STATE_NO_REFERENCE: (
        "no reference",
        "nothing to compare with",
        "Next: train the model again",
    ),
    classifier_pb2.DRIFT_STATE_TOO_FEW_EXAMPLES: (
        "too few examples",
        "too few training images to compare with",
        "Next: train it on 20 images or more",
    ),
    classifier_pb2.DRIFT_STATE_TOO_FEW_IMAGES: (
        "too few images",
        "too few images have come to compare",
        "Next: ask again when 30 more have come",
    ),
    classifier_pb2.DRIFT_STATE_STEADY: ("steady", "no drift", ""),
    classifier_pb2.DRIFT_STATE_DRIFTING: (
        "drifting",
        "other images come than it was trained on",
        "Next: look at what comes",
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_each_state_is_told_with_what_to_do(run: Run, fake: FakeClassifier, state: classifier_pb2.DriftState) -> None:
    fake.drift_state = state
    name, said, following = STATES[state]
    result = run("drift")
    assert result.exit_code == (1 if name == "drifting" else 0), result.output
    assert result.stdout.splitlines()[0] == f"Model default, version 1: {said}"
    assert result.stderr.startswith(following)
    assert bool(result.stderr) == bool(following)
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_drift_as_people_read_it(run: Run) -> None:
    result = run("drift", "default:3")
    assert result.stdout.splitlines() == [
        "Model default, version 3: other images come than it was trained on",
        "Images: 450 compared since 2001-09-09 01:46 UTC, with 200 training images",
        "compared                            newest  expected   seen  level",
        "score below 0.625                      100       50%  75.0%   0.25",
        "not unknown                            100       50%  75.0%   0.00",
        "strength avgpool0 mean below 0.625     100       50%  75.0%   1.50",
        "An alarm is at level 1; without drift there are at most 0.5 in a million images",
        "Alarm since 2001-09-09 01:47 UTC, number 2",
    ]


def test_drift_as_programs_read_it(run: Run, fake: FakeClassifier) -> None:
    result = run("drift", "default", "--json")
    assert result.exit_code == 1
    [found] = map(json.loads, result.stdout.splitlines())
    assert found["state"], found["drifting"] == ("drifting", True)
    assert found["alarm_time"] == "2001-09-09T01:47:40+00:00"
    assert found["signals"][2] == {
        "kind": "strength",
        "name": "avgpool0 mean",
        "level": 1.5,
        "image_count": 100,
        "value": 0.625,
        "expected_share": 0.5,
        "seen_share": 0.75,
    }
    assert list(found) == [
        "model",
        "version",
        "state",
        "drifting",
        "images",
        "training_images",
        "start_time",
        "signals",
        "alarm_time",
        "alarms",
        "last_alarm_time",
        "block_size",
        "false_alarms_per_million",
    ]
    fake.drift_state = classifier_pb2.DRIFT_STATE_NO_REFERENCE
    [found] = map(json.loads, run("drift", "--json").stdout.splitlines())
    assert (found["state"], found["signals"], found["start_time"], found["alarm_time"]) == (
        "no reference",
        [],
        None,
        None,
    )


def test_states_and_kinds_of_a_newer_server_are_told_by_their_numbers(client: Client, fake: FakeClassifier) -> None:
    fake.drift_state = 9  # type: ignore[assignment]
    found = client.drift("default")
    assert (found.state, found.drifting) == ("state 9", False)


def test_a_model_that_is_not_there(run: Run) -> None:
    result = run("drift", "missing")
    assert result.exit_code == 2
    assert "There is no model `missing`." in result.stderr
