"""How far features are from those that a head was trained on, in one product beside that of the head."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Familiarity:
    """The subspace in which the features of the training images vary most."""

    directions: _Floats
    """float32 [d, k], orthogonal columns of length 1."""
    mean: _Floats
    """float32 [d], the mean of the training images' features."""
    max_distance: float
    """The greatest distance that is not unfamiliar."""

    @cached_property
    def _columns(self) -> _Floats:
        return np.column_stack([self.directions, self.mean])

    @cached_property
    def _constants(self) -> tuple[npt.NDArray[np.float64], float]:
        mean = self.mean.astype(np.float64)
        return mean @ self.directions, float(mean @ mean)

    def distances(self, features: _Floats) -> npt.NDArray[np.float64]:
        """Return the squared Euclidean distances of features, float32 [n, d], from the subspace, float64 [n].

        That is the error of a principal component analysis (PCA) in telling what they are.
        """
        products = (features @ self._columns).astype(np.float64)
        offsets, squared = self._constants
        from_mean = np.square(features, dtype=np.float64).sum(1) - 2 * products[:, -1] + squared
        distances: npt.NDArray[np.float64] = from_mean - np.square(products[:, :-1] - offsets).sum(1)
        return np.maximum(distances, 0)
