"""How near a file's predictions are to the service's, and whether that is near enough."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.featurizer.errors import ConversionError

TOLERANCE: Final = 1e-3
"""How far a probability of a file in float32 may be from the service's."""
LEAST_AGREEMENT: Final = 0.95
"""The least share of images on which a file that rounds or decodes in another way has the best class of the service."""


@dataclass(frozen=True)
class Comparison:
    """What a file makes of images, beside what is expected."""

    images: int
    same: int
    """On how many the best class is the same; so it counts, too, where two classes are as good as equally probable."""
    largest: float
    """The largest difference of a probability."""
    mean: float
    """The mean difference of a probability."""

    @property
    def agreement(self) -> float:
        """The share of images with the same best class."""
        return self.same / self.images


def compare(expected: npt.NDArray[np.float64], found: npt.NDArray[np.floating]) -> Comparison:
    """Return how near probabilities, float32 or float64 [n, c], are to those that are expected.

    Where the two best classes of an image are nearer to each other than rounding may move them, either will do.
    """
    differences = np.abs(found.astype(np.float64) - expected)
    rows = np.arange(len(expected))
    behind = expected.max(1) - expected[rows, found.argmax(1)]
    return Comparison(
        images=len(expected),
        same=int((behind <= 2 * TOLERANCE).sum()),
        largest=float(differences.max()),
        mean=float(differences.mean()),
    )


def check(comparison: Comparison, *, quantized: bool) -> None:
    """Raise ConversionError where a file is too far from what is expected of it."""
    if not np.isfinite(comparison.largest):
        raise ConversionError("The file yields probabilities that are no numbers; nothing was written.")
    if quantized:
        check_agreement(comparison, "The quantized file", "; without --quantize the file is larger, and exact")
    elif comparison.same < comparison.images or comparison.largest > TOLERANCE:
        raise ConversionError(
            f"The file predicts otherwise than the service: the best class is the same on {comparison.same} of "
            f"{comparison.images} images, probabilities differ by up to {comparison.largest:.2g}, and at most "
            f"{TOLERANCE:g} is allowed; nothing was written."
        )


def check_agreement(comparison: Comparison, what: str, advice: str = "") -> None:
    """Raise ConversionError where what rounds or decodes in another way has too often another best class.

    `what` begins the sentence, and `advice` ends it.
    """
    if not comparison.agreement >= LEAST_AGREEMENT:
        raise ConversionError(
            f"{what} has the best class of the service on {comparison.same} of {comparison.images} images, and at "
            f"least {LEAST_AGREEMENT:.0%} are needed; nothing was written{advice}."
        )
