"""Heads for tests."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lastlayer.featurizer.network.conversion.head import Head
from lastlayer.rpc.vectors import View
from lastlayer.testing.tiny_backbone import TAPS

LABELS = ("größe 🦆", "cat", "two\nlines")


def head(taps: Sequence[str] = ("conv", "pool"), **changes: Any) -> Head:
    """A head on taps of the tiny backbone, with random weights that make some classes clearly more probable."""
    random = np.random.default_rng(0)
    weights = [random.normal(0, 6, (TAPS[tap], len(LABELS))) for tap in taps]
    known: dict[str, Any] = {
        "model": "ducks",
        "version": 3,
        "backbone": "tiny",
        "backbone_digest": "d" * 64,
        "taps": tuple(taps),
        "views": (View.CROP,),
        "square_root": False,
        "unit_length": True,
        "labels": LABELS,
        # What all elements have in common speaks for no class, so that each is the best of some images.
        "weights": np.vstack([tap - tap.mean(0) for tap in weights]).astype(np.float32),
        "biases": random.normal(0, 0.1, len(LABELS)).astype(np.float32),
    }
    return Head(**{**known, **changes})
