"""Reads what earlier releases stored of a version: the fields of their own classes, as JSON.

Its names are those of `lastlayer.v1.ModelVersion`, but for what is renamed or packed differently here. Later fields are
absent in what the first release stored.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format

from lastlayer.classifier.domain.errors import StoreCorruptError
from lastlayer.v1 import classifier_pb2


def read_facts(facts: Mapping[str, Any]) -> classifier_pb2.ModelVersion:
    """Return the message of a version from the JSON of an earlier release; raises StoreCorruptError."""
    try:
        return json_format.ParseDict(_rename(facts), classifier_pb2.ModelVersion())
    except (AttributeError, KeyError, TypeError, ValueError, json_format.ParseError) as error:
        raise StoreCorruptError("What is stored of this version is damaged; train the model again.") from error


def _rename(facts: Mapping[str, Any]) -> dict[str, Any]:
    values = {key: value for key, value in facts.items() if value is not None}
    values["recipe"] = _recipe(values["recipe"])
    values["class_weight"] = f"CLASS_WEIGHT_{values.get('class_weight', 'none').upper()}"
    values["training_duration"] = f"{values.pop('training_seconds'):.9f}s"
    if "cross_validation" in values:
        values["cross_validation"] = _metrics(values["cross_validation"])
    values["comparisons"] = [
        {"recipe": _recipe(entry["recipe"]), "taps": entry["taps"], "cross_validation": _metrics(entry["metrics"])}
        for entry in values["comparisons"]
    ]
    return values


def _recipe(name: str) -> str:
    return f"RECIPE_{name.upper()}"


def _metrics(facts: Mapping[str, Any]) -> dict[str, Any]:
    values = {key: value for key, value in facts.items() if value is not None}
    values["confusion_matrix"] = [cell for row in values["confusion_matrix"] for cell in row]
    for key in ("micro_accuracy_interval", "log_loss_interval"):
        if key in values:
            lower, upper = values[key]
            values[key] = {"lower": lower, "upper": upper}
    return values
