"""What a training leaves to tell of its version, beside the head."""

from collections.abc import Mapping
from dataclasses import dataclass

from lastlayer.classifier.training.trainer import Trained


@dataclass(frozen=True)
class TrainingReport:
    """What is known of a version when it has been trained."""

    trained: Trained
    example_count: int
    """The number of examples that it was trained on."""
    training_seconds: float
    libraries: Mapping[str, str]
    """The versions of the libraries that it was trained with, by name."""
