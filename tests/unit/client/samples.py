"""Results as a server might give them."""

import datetime
from typing import Any

from lastlayer.client.results.versions import ModelVersion


def version(**changes: Any) -> ModelVersion:
    fields: dict[str, Any] = {
        "model": "default",
        "version": 1,
        "dataset": "default",
        "recipe": "auto",
        "taps": ("mixed4e",),
        "l1": 0.0,
        "l2": 0.1,
        "classes": ("cat", "dog"),
        "example_count": 8,
        "backbone": "googlenet",
        "backbone_digest": "00" * 32,
        "cross_validation": None,
        "comparisons": (),
        "create_time": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        "training_duration_s": 1.0,
        "notes": (),
    }
    return ModelVersion(**{**fields, **changes})
