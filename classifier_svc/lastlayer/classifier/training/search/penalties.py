"""The L2 penalties that are tried, and where the solutions for one are told by those for others."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from lastlayer.classifier.domain.arrays import Array

L2_PATH: Final = tuple(10.0 ** (power / 2) for power in range(2, -7, -1))
"""The L2 penalties that are tried first on unit-length features, from the strongest to the weakest (`fitting.logistic`
has them in scikit-learn's terms). They weigh against the sum of the examples' losses, not the mean: the best one hardly
depends on the number of examples. Where the best is at an end, the path grows there."""

L2_BOUNDS: Final = (1e-7, 1e5)
"""The weakest and the strongest penalty that a path grows to."""

STEP: Final = 10.0**0.5
"""How many times a penalty of a path is as strong as the next."""


def interpolate(solutions: Mapping[float, Array], l2: float) -> Array:
    """Return about the solutions for a penalty: on the line, by its logarithm, through those for the nearest two."""
    nearest = sorted(solutions, key=lambda penalty: abs(np.log(penalty / l2)))[:2]
    near, far = nearest[0], nearest[-1]
    if near == far:
        return solutions[near]
    share = np.log(l2 / near) / np.log(far / near)
    between: Array = solutions[near] + solutions[near].dtype.type(share) * (solutions[far] - solutions[near])
    return between
