"""Finds evaluated images that are, or nearly are, training images: they flatter an evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

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
"""How many training images are compared at once, which bounds the memory."""


@dataclass(frozen=True)
class NearDuplicate:
    """An evaluated image with the training image that it is most similar to."""

    name: str
    training_name: str
    training_label: str
    similarity: float
    """The cosine of their feature vectors."""


def near_duplicates(
    names: Sequence[str], vectors: npt.NDArray[np.float32], training: TapExamples
) -> list[NearDuplicate]:
    """Return the near duplicates among evaluated images, the most similar first.

    `vectors` is float32 [m, d], those of the evaluated images at the tap of `training`.
    """
    if not len(names) or not len(training.names):
        return []
    evaluated = unit_length(vectors)
    best = np.full(len(names), -1.0)
    nearest = np.zeros(len(names), np.intp)
    for start in range(0, len(training.names), _BLOCK):
        block: npt.NDArray[Any] = evaluated @ unit_length(training.vectors[start : start + _BLOCK]).T
        found = block.argmax(1)
        similarity = block[np.arange(len(names)), found]
        better = similarity > best
        best[better], nearest[better] = similarity[better], start + found[better]
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
