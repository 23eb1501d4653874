"""What the classifier knows of backbones, and what it asks of a featurizer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from rpc.errors import LastlayerError

TapKind = Literal["spatial_mean", "vector", "class_scores"]

Vectors = Mapping[str, npt.NDArray[np.float32]]
"""The vectors of one image by tap, float32 [d] each."""


@dataclass(frozen=True)
class Tap:
    """A place in a backbone from which a feature vector is read."""

    name: str
    kind: TapKind
    dimension: int
    """The number of elements of its vector."""


@dataclass(frozen=True)
class Backbone:
    """A frozen network with its preprocessing."""

    name: str
    digest: str
    taps: tuple[Tap, ...]
    """From the shallowest to the deepest."""


@dataclass(frozen=True)
class ServedBackbone(Backbone):
    """A backbone as a featurizer serves it, within limits."""

    max_images_per_request: int
    max_message_bytes: int


class Featurizer(Protocol):
    """What computes features.

    Its methods raise FeaturizerUnavailableError, or DeadlinePassedError where `deadline`, of `time.monotonic()`, passes.
    """

    async def backbone(self, *, deadline: float | None, refresh: bool = False) -> ServedBackbone:
        """Return the backbone that is served; as it was known last, unless `refresh` is set."""
        ...

    async def featurize(
        self, images: Sequence[bytes], taps: Sequence[str], digest: str, *, deadline: float | None, wait: bool
    ) -> list[Vectors | LastlayerError]:
        """Return the vectors of each image file at some taps, or why it has none.

        Raises BackboneMismatchError where another backbone than that of `digest` is served, and OverloadedError where
        there is no room, unless `wait` is set.
        """
        ...
