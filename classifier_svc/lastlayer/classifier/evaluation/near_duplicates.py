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

from collections.abc import Callable, Iterable, Sequence
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

BLOCK: Final = 2048
"""How many images of each side to compare at once, which bounds the memory: 16 MiB of cosines."""


@dataclass(frozen=True)
class NearDuplicate:
    """An evaluated image with the training image that it is most similar to."""

    name: str
    training_name: str
    training_label: str
    similarity: float
    """The cosine of their feature vectors, at most 1."""


def find_near_duplicates(
    names: Sequence[str],
    vectors: npt.NDArray[np.float32],
    training: Iterable[TapExamples],
    stopped: Callable[[], bool] = lambda: False,
) -> list[NearDuplicate]:
    """Return the near duplicates among m evaluated images, the most similar first; none where it is `stopped` before.

    `vectors` are those of the evaluated images at the tap of `training`, float32 [m, d]. The training images come in
    blocks, each of which is compared with all m at once.
    """
    evaluated = unit_length(vectors)
    nearest = _Nearest(len(names))
    for block in training:
        if stopped():
            return []
        if len(block.names):
            nearest.compare(evaluated, block)
    if not nearest.compared:
        return []
    best, distant = nearest.cosines[:, 0], nearest.cosines[:, min(RANK, nearest.compared) - 1]
    near = np.flatnonzero((best >= SAME) | ((best >= ALIKE) & (1 - best <= RATIO * (1 - distant))))
    return [
        NearDuplicate(
            name=names[index],
            training_name=nearest.names[index],
            training_label=nearest.labels[index],
            similarity=min(1.0, float(best[index])),
        )
        for index in near[np.argsort(-best[near], kind="stable")]
    ]


class _Nearest:
    """What m evaluated images are most similar to, of the training images seen so far."""

    def __init__(self, count: int) -> None:
        self.compared = 0
        """The number of training images seen so far."""
        self.cosines = np.full((count, RANK), -1, np.float32)
        """Those of each image with its `RANK` nearest training images, float32 [m, RANK], the most similar first; -1
        where there are fewer."""
        self.names = [""] * count
        """Of each image's nearest training image."""
        self.labels = [""] * count

    def compare(self, evaluated: npt.NDArray[np.float32], block: TapExamples) -> None:
        """Compare the evaluated images, of unit length, float32 [m, d], with further training images."""
        self.compared += len(block.names)
        cosines = evaluated @ unit_length(block.vectors).T
        found = cosines.argmax(1)
        for row in np.flatnonzero(cosines[np.arange(len(cosines)), found] > self.cosines[:, 0]):
            self.names[row], self.labels[row] = block.names[found[row]], block.labels[found[row]]
        few = min(RANK, cosines.shape[1])
        cosines.partition(cosines.shape[1] - few, axis=1)
        candidates = np.hstack([self.cosines, cosines[:, -few:]])
        self.cosines = -np.sort(-candidates, axis=1)[:, :RANK]
