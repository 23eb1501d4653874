"""Finds evaluated images that are, or nearly are, training images: they flatter an evaluation.

No single cosine tells a copy from another photo of the same kind: at a shallow tap, small and blurred photos are all
alike, and at a deep one a photo and its copy may differ. What tells is whether an image is far nearer to one training
image than to the others, as in Lowe's ratio test (Distinctive Image Features from Scale-Invariant Keypoints, 2004,
section 7.1). So an image is a near duplicate of its nearest training image where their cosine is at least `SAME`, or
where it is at least `ALIKE` and the distance (1 - cosine) at most `RATIO` times that to the training image at `RANK`.

Measured with GoogLeNet, at mixed4e / at avgpool0. Of 200 photos of five flowers it finds, as JPEG of quality 60 again,
100 % / 97 %; cropped by 3 % at each edge, 100 % / 99 %; at half the size, 75 % / 43 %. Of these photos, evaluated a
twentieth at a time against the rest, it takes 3 / 0 for near duplicates, and they do show the same plants, taken from a
step aside. Of 4,317 thumbnails of 128 pixels it finds 99 % / 98 % and 94 % / 84 % of the first two, and takes 32 / 27
for near duplicates; of the 19 pairs at mixed4e, all are of one shot or of one series. A cosine of at least 0.98 instead
would find 77 % / 45 % of the first photos, and take 98 / 20 thumbnails. With 2 to 50 training photos, it takes at most
2.5 % of other photos of the same flowers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.head import unit_length
from lastlayer.classifier.domain.types import TapExamples

SAME: Final = 0.99
"""From this cosine on, two images count as nearly the same, whatever the others are like: copies may be many."""

ALIKE: Final = 0.9
"""Below this cosine, two images never do: among a handful of training images any may be far nearer than the others."""

RATIO: Final = 0.25
RANK: Final = 6
"""The sixth nearest, or the last where there are fewer: a few copies of one image do not hide each other."""

_BLOCK: Final = 4096
"""How many images of each side are compared at once, which bounds the memory: 64 MiB of cosines."""


@dataclass(frozen=True)
class NearDuplicate:
    """An evaluated image with the training image that it is most similar to."""

    name: str
    training_name: str
    training_label: str
    similarity: float
    """The cosine of their feature vectors."""


def near_duplicates(
    names: Sequence[str],
    vectors: Sequence[npt.NDArray[np.float32]],
    training: TapExamples,
    stopped: Callable[[], bool] = lambda: False,
) -> list[NearDuplicate]:
    """Return the near duplicates among evaluated images, the most similar first; none where it is `stopped` before.

    `vectors` are those of the evaluated images at the tap of `training`, m times float32 [d].
    """
    cosines, nearest = _nearest(vectors, training, stopped)
    if stopped() or not len(training.names):
        return []
    best, distant = cosines[:, 0], cosines[:, min(RANK, len(training.names)) - 1]
    near = np.flatnonzero((best >= SAME) | ((best >= ALIKE) & (1 - best <= RATIO * (1 - distant))))
    return [
        NearDuplicate(
            name=names[index],
            training_name=training.names[nearest[index]],
            training_label=training.labels[nearest[index]],
            similarity=min(1.0, float(best[index])),
        )
        for index in near[np.argsort(-best[near], kind="stable")]
    ]


def _nearest(
    vectors: Sequence[npt.NDArray[np.float32]], training: TapExamples, stopped: Callable[[], bool]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
    """Return the cosines of each image with its `RANK` nearest training images, float32 [m, RANK], the most similar
    first, -1 where there are fewer; and which is the nearest, [m].
    """
    cosines = np.full((len(vectors), RANK), -1, np.float32)
    nearest = np.zeros(len(vectors), np.intp)
    for start in range(0, len(training.names), _BLOCK):
        trained = unit_length(training.vectors[start : start + _BLOCK]).T
        for first in range(0, len(vectors), _BLOCK):
            if stopped():
                return cosines, nearest
            block = unit_length(np.stack(vectors[first : first + _BLOCK])) @ trained
            rows = slice(first, first + len(block))
            found = block.argmax(1)
            better = block[np.arange(len(block)), found] > cosines[rows, 0]
            nearest[rows][better] = start + found[better]
            few = min(RANK, block.shape[1])
            block.partition(block.shape[1] - few, axis=1)
            candidates = np.hstack([cosines[rows], block[:, -few:]])
            cosines[rows] = -np.sort(-candidates, axis=1)[:, :RANK]
    return cosines, nearest
