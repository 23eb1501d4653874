"""Finds evaluated images that are, or nearly are, training images: they flatter an evaluation.

No single cosine tells a copy from another photo of the same kind: at a shallow tap, small and blurred photos are all
alike, and at a deep one a photo and its copy may differ. What tells is whether an image is far nearer to one training
image than to the others, as in Lowe's ratio test (Distinctive Image Features from Scale-Invariant Keypoints, 2004,
section 7.1). So an image is a near duplicate of its nearest training image where their cosine is at least `SAME`, or
where it is at least `ALIKE` and the distance (1 - cosine) at most `RATIO` times that to the training image at `RANK`.

Half-size copies and crops move farther than that. So what images look like has a say, too: of the `RANK` nearest, an
image is a near duplicate of the one whose perceptual hashes differ least from its own, where these are at most
`LOOKS_ALIKE` and stand out from the others. Features propose, hashes decide: that a copy is among the nearest holds for
99 % even of parts of 70 %, and few other images are there to be mistaken for it.

Measured with GoogLeNet at avgpool0, by features alone / with hashes. Of 200 photos of five flowers it finds, as JPEG of
quality 60 again, 96 % / 100 %; mirrored, 99 % / 100 %; at half the size, 42 % / 100 %; at a third, 7 % / 99 %; cropped
by 15 % of the width and height, 68 % / 100 %; by 15 % at each edge, 4 % / 100 %; a part of 70 % anywhere, 6 % / 84 %.
Of these photos, evaluated a twentieth at a time against the rest, it takes 1 / 1 for near duplicates; at mixed4e 3 / 3,
which do show the same plants, taken from a step aside. Of 1,000 thumbnails of 128 pixels it finds 93 % / 100 % at half
the size and 19 % / 99 % cropped by 15 %, and takes 8 / 21 for near duplicates: all but one of the 13 more are of one
shot or of one series.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.head import unit_length
from lastlayer.classifier.domain.types import TapExamples
from lastlayer.classifier.evaluation.likeness.perceptual_hashes import difference

SAME: Final = 0.99
"""From this cosine on, two images count as nearly the same, whatever the others are like: copies may be many."""

ALIKE: Final = 0.9
"""Below this cosine, two images never do: among a handful of training images any may be far nearer than the others."""

RATIO: Final = 0.25
RANK: Final = 6
"""The sixth nearest, or the last where there are fewer: a few copies of one image do not hide each other."""

LOOKS_ALIKE: Final = 0.2
"""Up to this share of bits of their perceptual hashes, two images look the same."""

LOOKS_RATIO: Final = 0.6
"""And that is at most so much of the share of the least alike of the `RANK` nearest: where all images of a set look
much the same, as hands before one wall do, only a copy stands out."""

BLOCK: Final = 2048
"""How many images of each side to compare at once, which bounds the memory: 16 MiB of cosines."""


@dataclass(frozen=True)
class EvaluatedBlock:
    """Evaluated images."""

    names: Sequence[str]
    vectors: npt.NDArray[np.float32]
    """float32 [m, d]."""
    hashes: Sequence[bytes] = ()
    """Perceptual hashes of each image, empty for one that has none; or none at all."""


@dataclass(frozen=True)
class NearDuplicate:
    """An evaluated image with the training image that it is most similar to."""

    name: str
    training_name: str
    training_label: str
    similarity: float
    """The cosine of their feature vectors, at most 1."""


def find_near_duplicates(
    evaluated: EvaluatedBlock,
    training: Iterable[TapExamples],
    stopped: Callable[[], bool] = lambda: False,
) -> list[NearDuplicate]:
    """Return the near duplicates among m evaluated images, the most similar first; none where it is `stopped` before.

    The vectors of `evaluated` are those at the tap of `training`. The training images come in blocks, each of which is
    compared with all m at once.
    """
    vectors = unit_length(evaluated.vectors)
    nearest = _Nearest(len(evaluated.names))
    for block in training:
        if stopped():
            return []
        if len(block.names):
            nearest.compare(vectors, block)
    if not nearest.compared:
        return []
    cosines = nearest.cosines
    best, distant = cosines[:, 0], cosines[:, min(RANK, nearest.compared) - 1]
    place = np.where((best >= SAME) | ((best >= ALIKE) & (1 - best <= RATIO * (1 - distant))), 0, -1)
    for row, hashes in enumerate(evaluated.hashes):
        if place[row] < 0 and hashes:
            place[row] = nearest.find_copied(row, hashes)
    near = np.flatnonzero(place >= 0)
    similarity = cosines[np.arange(len(cosines)), place]
    return [
        NearDuplicate(
            name=evaluated.names[row],
            training_name=nearest.images[row][place[row]].name,
            training_label=nearest.images[row][place[row]].label,
            similarity=min(1.0, float(similarity[row])),
        )
        for row in near[np.argsort(-similarity[near], kind="stable")]
    ]


class _TrainingImage(NamedTuple):
    name: str
    label: str
    hashes: bytes


class _Nearest:
    """What m evaluated images are most similar to, of the training images seen so far."""

    def __init__(self, count: int) -> None:
        self.compared = 0
        """The number of training images seen so far."""
        self.cosines = np.full((count, RANK), -1, np.float32)
        """Those of each image with its `RANK` nearest training images, float32 [m, RANK], the most similar first; -1
        where there are fewer."""
        self.images: list[list[_TrainingImage]] = [[] for _ in range(count)]
        """Those training images of each image, in the same order."""

    def compare(self, evaluated: npt.NDArray[np.float32], block: TapExamples) -> None:
        """Compare the evaluated images, of unit length, float32 [m, d], with further training images."""
        self.compared += len(block.names)
        cosines = evaluated @ unit_length(block.vectors).T
        few = min(RANK, cosines.shape[1])
        for row, found in enumerate(cosines):
            if found.max() <= self.cosines[row, -1]:
                continue
            columns = np.argpartition(found, len(found) - few)[-few:]
            candidates = np.concatenate([self.cosines[row], found[columns]])
            order = np.argsort(-candidates, kind="stable")[:RANK]
            known = [*self.images[row], *[None] * (RANK - len(self.images[row]))]
            images = [*known, *(_training_image(block, column) for column in columns)]
            self.cosines[row] = candidates[order]
            self.images[row] = [image for place in order if (image := images[place]) is not None]

    def find_copied(self, row: int, hashes: bytes) -> int:
        """Return the place of the training image that an evaluated one looks like a copy of; -1 where it is of none."""
        differences = [difference(hashes, image.hashes) for image in self.images[row]]
        place = int(np.argmin(differences))
        limit = LOOKS_RATIO * max(differences) if len(differences) > 1 else 1.0
        return place if differences[place] <= min(LOOKS_ALIKE, limit) else -1


def _training_image(block: TapExamples, row: int) -> _TrainingImage:
    return _TrainingImage(block.names[row], block.labels[row], block.hashes[row] if block.hashes else b"")
