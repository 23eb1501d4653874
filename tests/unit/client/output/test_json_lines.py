"""The JSON that users get stays as it is: what each result is printed as was written down before the code was changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from lastlayer.client.output import json_lines
from tests.unit.client import results_samples as samples

PINNED: dict[str, Any] = {
    name: value
    for line in (Path(__file__).parent / "pinned.jsonl").read_text("utf-8").splitlines()
    for name, value in json.loads(line).items()
}
MADE = {
    "prediction": json_lines.prediction_json(samples.PREDICTION),
    "failed prediction": json_lines.prediction_json(samples.FAILED_PREDICTION),
    "explanation": json_lines.explanation_json(samples.EXPLANATION),
    "metrics": json_lines.metrics_json(samples.METRICS),
    "least metrics": json_lines.metrics_json(samples.LEAST_METRICS),
    "version": json_lines.version_json(samples.VERSION),
    "least version": json_lines.version_json(samples.LEAST_VERSION),
    "added examples": json_lines.added_json(samples.ADDED, samples.ADDED.trimmed),
    "evaluation": json_lines.evaluation_json(samples.EVALUATION, samples.EVALUATION.trimmed),
    "least evaluation": json_lines.evaluation_json(samples.LEAST_EVALUATION, 0),
    "model": json_lines.model_json(samples.MODEL),
    "dataset": json_lines.dataset_json(samples.DATASET),
    "stored example": json_lines.example_json(samples.STORED),
    "reviewed example": json_lines.reviewed_json(samples.REVIEWED),
    "status": json_lines.status_json(samples.STATUS),
    "least status": json_lines.status_json(samples.LEAST_STATUS),
}


def test_there_is_a_pin_for_each() -> None:
    assert set(MADE) == set(PINNED)


@pytest.mark.parametrize("name", PINNED)
def test_the_json_of_each_result_stays_as_it_was(name: str) -> None:
    # As text, so that the order of the keys counts as well.
    assert json.dumps(MADE[name], ensure_ascii=False) == json.dumps(PINNED[name], ensure_ascii=False)
