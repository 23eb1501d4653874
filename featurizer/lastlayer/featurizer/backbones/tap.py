"""A tap of a network that was loaded."""

from dataclasses import dataclass
from typing import Literal

TapKind = Literal["spatial_mean", "vector", "class_scores"]


@dataclass(frozen=True)
class Tap:
    """A place in a loaded network where a feature vector of each image is read."""

    name: str
    kind: TapKind
    """`spatial_mean`: the mean over height and width of a feature map; `class_scores`: the logits of the network's own
    classes; `vector`: any other vector."""
    dimension: int
    """d: an image's vector is float32 [d]."""
