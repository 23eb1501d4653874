"""What else the network says of an image: where the score of a class comes from, and its feature vectors."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lastlayer.client.errors import ImageError
from lastlayer.client.results.predictions import Prediction

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class ImageRegion:
    """A rectangle of an upright image, as shares of its width and height, from 0 to 1."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where in an image the score of a class comes from."""

    label: str
    """The class that is explained."""
    probability: float
    """Its probability, from 0 to 1."""
    logit: float
    """Its score before softmax: the sum of `contributions` and `bias`."""
    bias: float
    """The part of the score that is the same for every image."""
    contributions: tuple[tuple[float, ...], ...]
    """What each cell of the region adds to the score, `[height][width]`: positive where it speaks for the class."""
    region: ImageRegion
    """The part of the upright image that the cells cover, in equal parts."""
    prediction: Prediction
    """What the image is predicted as."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The feature vectors of some images."""

    images: tuple[str, ...]
    """What the images are called, in order."""
    vectors: dict[str, "npt.NDArray[np.float32]"]
    """By tap, a row for each image in order: float32 [n, d]. The rows of images that failed are NaN."""
    errors: tuple[ImageError | None, ...]
    """Why each image has no vectors; None where it has."""
    sha256: tuple[bytes, ...]
    """Of the files, 32 bytes each; empty where one could not be read."""
    backbone: str
    """The name of the network."""
    backbone_digest: str
