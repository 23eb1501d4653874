"""The JSON that users get stays as it is: `pinned.jsonl` has what was printed before the code was changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from lastlayer.client.output.json_lines import result_json
from tests.unit.client import results_samples as samples

PINNED: dict[str, Any] = {
    name: value
    for line in (Path(__file__).parent / "pinned.jsonl").read_text("utf-8").splitlines()
    for name, value in json.loads(line).items()
}
MADE = {
    "prediction": result_json(samples.PREDICTION),
    "failed prediction": result_json(samples.FAILED_PREDICTION),
    "explanation": result_json(samples.EXPLANATION),
    "metrics": result_json(samples.METRICS),
    "least metrics": result_json(samples.LEAST_METRICS),
    "version": result_json(samples.VERSION),
    "least version": result_json(samples.LEAST_VERSION),
    "added examples": result_json(samples.ADDED),
    "evaluation": result_json(samples.EVALUATION),
    "least evaluation": result_json(samples.LEAST_EVALUATION),
    "model": result_json(samples.MODEL),
    "dataset": result_json(samples.DATASET),
    "stored example": result_json(samples.STORED),
    "reviewed example": result_json(samples.REVIEWED),
    "suggested example": result_json(samples.SUGGESTED),
    "pooled images": result_json(samples.POOLED),
    "status": result_json(samples.STATUS),
    "least status": result_json(samples.LEAST_STATUS),
}


def test_there_is_a_pin_for_each() -> None:
    assert set(MADE) == set(PINNED)


@pytest.mark.parametrize("name", PINNED)
def test_the_json_of_each_result_stays_as_it_was(name: str) -> None:
    # As text, so that the order of the keys counts as well.
    assert json.dumps(MADE[name], ensure_ascii=False) == json.dumps(PINNED[name], ensure_ascii=False)
