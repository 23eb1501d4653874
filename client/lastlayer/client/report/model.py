"""What a report is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lastlayer.client.report.map.gather import PicturedMap
from lastlayer.client.results.curation import ReviewedExample
from lastlayer.client.results.datasets import Dataset
from lastlayer.client.results.examples import StoredExample
from lastlayer.client.results.versions import ModelVersion


@dataclass(frozen=True, slots=True)
class Pictured:
    """An example that is worth a look, with its pictures."""

    reviewed: ReviewedExample
    heatmap: bytes = b""
    """Its thumbnail, as a JPEG, with the activation map of the suggested label over it. Empty where there is none."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """The worst of some examples."""

    examples: tuple[Pictured, ...]
    total: int
    """How many there are, which may be more."""


@dataclass(frozen=True, slots=True)
class Report:
    """A version of a model with what is known around it."""

    version: ModelVersion
    dataset: Dataset | None
    """What it was trained on, as it is now. None where that has been deleted."""
    mistakes: Gallery
    suspicious: Gallery
    cells: Mapping[tuple[str, str], tuple[StoredExample, ...]] = field(default_factory=dict)
    """Photos of cells of the confusion matrix, by the true and the predicted class."""
    map: PicturedMap | None = None
    """The dataset's images by their features; None where there is no map."""
    no_heatmaps: str = ""
    """Why there are no activation maps, in a sentence; empty where there are or nothing could have one."""
