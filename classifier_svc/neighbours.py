"""Finds evaluated images that are, or nearly are, training images: they flatter an evaluation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from classifier_svc.head import unit_length
from classifier_svc.records import TapExamples

LEAST_SIMILARITY: Final = 0.96
"""From this cosine on, two images count as nearly the same.

Measured on 100 photos of flowers at GoogLeNet's taps: of different photos the two most similar have 0.955 at mixed4e,
0.951 at mixed4d and 0.935 at avgpool0. Of the same photos, encoded anew as JPEG of quality 60 or cropped by 3 %, 95 %
have more than 0.964 at mixed4d and mixed4e; scaled to half their size about half have. It misses some rather
than accuse others.
"""

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
    best = np.full(len(names), -1.0)
    nearest = np.zeros(len(names), np.intp)
    for start in range(0, len(training.names), _BLOCK):
        trained = unit_length(training.vectors[start : start + _BLOCK]).T
        for first in range(0, len(names), _BLOCK):
            if stopped():
                return []
            cosines = unit_length(np.stack(vectors[first : first + _BLOCK])) @ trained
            found = cosines.argmax(1)
            similarity = cosines[np.arange(len(found)), found]
            rows = first + np.flatnonzero(similarity > best[first : first + len(found)])
            best[rows], nearest[rows] = similarity[rows - first], start + found[rows - first]
    near = np.flatnonzero(best >= LEAST_SIMILARITY)
    return [
        NearDuplicate(
            name=names[index],
            training_name=training.names[nearest[index]],
            training_label=training.labels[nearest[index]],
            similarity=min(1.0, float(best[index])),
        )
        for index in near[np.argsort(-best[near], kind="stable")]
    ]
