"""What the tests of the store write: a backbone, examples of it, and versions of a model."""

import numpy as np

from lastlayer.classifier.domain.types import Backbone, NewExample, Tap
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.models import NewVersion

BACKBONE = Backbone("tiny", "a" * 64, (Tap("conv", False, 2), Tap("scores", True, 3)))


def example(number: int, label: str, *, backbone: Backbone = BACKBONE, stored: bool = False) -> NewExample:
    vectors = {tap.name: np.full(tap.dimension, number, np.float32) for tap in backbone.taps}
    return NewExample(f"{number}.jpg", bytes([number]) * 32, label, None if stored else vectors)


def version(model: str = "m", request_id: str = "", request: bytes = b"1" * 32) -> NewVersion:
    return NewVersion(model, "d", "tiny", "a" * 64, ["x", "y"], b"description", b"head", request_id, request)


def hashes_of(datasets: DatasetStore, name: str = "d") -> list[bytes]:
    return [each for block in datasets.tap_blocks(name, BACKBONE.digest, "conv", 2) for each in block.hashes]
