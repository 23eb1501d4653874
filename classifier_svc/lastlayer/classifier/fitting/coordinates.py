"""Coordinates in which the curvature of a regression is about 1 in all directions: few steps lead to its minimum.

The curvature of softmax is p (1 - p) for a class of probability p, 1 / c at the start; in a direction of the features
it is that times their variance. The penalty adds its own. Where the columns of the features are principal directions,
a number for each is all that it takes (`ScaledColumns`). Features that were rotated in parts, see `fitting.pca`, are
correlated across the parts: for them it takes a triangular matrix, the inverse of the curvature's Cholesky factor
(`Decorrelated`). With 4,317 photos at all five taps of GoogLeNet a fit then has a third of the steps.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np

from lastlayer.classifier.domain.arrays import Array
from lastlayer.classifier.fitting.feature_blocks import FeatureBlocks

MOST_COLUMNS: Final = 4096
"""The most columns that are decorrelated: their matrix takes 64 MB, and a second or two."""

_LEAST_ROWS_A_COLUMN: Final = 0.5
"""With fewer examples a step is so short that the matrix takes longer than the steps that it saves."""


class Coordinates(Protocol):
    """The coordinates of weights and biases [r + 1, p, c], the biases in the last row. They are linear."""

    def to_weights(self, point: Array) -> Array:
        """Return the weights and biases at a point."""
        ...

    def to_point(self, weights: Array) -> Array:
        """Return the point of weights and biases."""
        ...

    def to_gradient(self, slopes: Array) -> Array:
        """Return the derivatives by the coordinates, of derivatives by weights and biases."""
        ...


class ScaledColumns:
    """Coordinates for features in their principal directions: weights over a number for each direction."""

    def __init__(
        self, features: FeatureBlocks, class_count: int, l2_share: float, callback: Callable[[], None]
    ) -> None:
        """`l2_share` is the penalty over the sum of the examples' weights. `callback` is called for each block."""
        count, rank = features.shape
        squares = np.zeros(rank)
        for _, block in features.blocks(1):
            callback()
            squares += np.einsum("nr,nr->r", block, block, dtype=np.float64)
        curvature = _curvature(class_count)
        scale = np.append(1 / np.sqrt(curvature * squares / count + l2_share), 1 / np.sqrt(curvature))
        self._scale = scale.astype(features.dtype)[:, None, None]

    def to_weights(self, point: Array) -> Array:
        """Return the weights and biases at a point."""
        weights: Array = point * self._scale
        return weights

    def to_point(self, weights: Array) -> Array:
        """Return the point of weights and biases."""
        point: Array = (weights / self._scale).astype(self._scale.dtype)
        return point

    def to_gradient(self, slopes: Array) -> Array:
        """Return the derivatives by the coordinates, of derivatives by weights and biases."""
        return self.to_weights(slopes)


class Decorrelated:
    """Coordinates for features whose columns are correlated.

    They serve all regressions on the features, or on others of the same distribution, whose penalties are within a
    factor of about 10 of the one that they were made for.
    """

    def __init__(
        self, features: FeatureBlocks, class_count: int, l2_share: float, callback: Callable[[], None]
    ) -> None:
        """As for `ScaledColumns`; `features` have at most `MOST_COLUMNS` columns, and `l2_share` is above 0."""
        from scipy.linalg import blas, lapack  # as in `elastic_net`: only once something is trained

        count, rank = features.shape
        curvature = _curvature(class_count)
        products = np.zeros((rank, rank), np.float32, order="F")  # the lower triangle
        for _, block in features.blocks(rank):
            callback()
            values = block.astype(np.float32, copy=False).T
            products = blas.ssyrk(curvature / count, values, beta=1, c=products, lower=1, overwrite_c=1)
        # Single precision knows the curvature to that share of the greatest; a factor of less would be noise.
        rounding = np.finfo(np.float32).eps * rank * float(products.diagonal().max(initial=0))
        products[np.diag_indices(rank)] += np.float32(max(l2_share, rounding))
        factor, _ = lapack.spotrf(products, lower=1, clean=1, overwrite_a=1)
        callback()
        inverse, _ = lapack.strtri(factor, lower=1, overwrite_c=1)
        self._inverse: Array = inverse
        self._precise: Array | None = None
        self._bias_scale = 1 / np.sqrt(curvature)

    def to_weights(self, point: Array) -> Array:
        """Return the weights and biases at a point."""
        return self._multiply("trmm", point, self._bias_scale, transposed=False)

    def to_point(self, weights: Array) -> Array:
        """Return the point of weights and biases."""
        return self._multiply("trsm", weights, 1 / self._bias_scale, transposed=False)

    def to_gradient(self, slopes: Array) -> Array:
        """Return the derivatives by the coordinates, of derivatives by weights and biases."""
        return self._multiply("trmm", slopes, self._bias_scale, transposed=True)

    def _multiply(self, name: str, numbers: Array, bias_scale: float, *, transposed: bool) -> Array:
        """Return the rows of [r + 1, p, c], save the biases, multiplied by the matrix, or by its inverse (`trsm`)."""
        from scipy.linalg import blas

        rank = len(self._inverse)
        result: Array = numbers * numbers.dtype.type(bias_scale)
        # BLAS takes columns: the transposed numbers, multiplied from the other side, are those of NumPy as they lie.
        columns = numbers[:rank].reshape(rank, -1).T
        matrix = self._matrix(numbers.dtype)
        function = blas.get_blas_funcs(name, (matrix,))
        product: Array = function(1.0, matrix, columns, side=1, lower=1, trans_a=int(transposed))
        result[:rank] = product.T.reshape(result[:rank].shape)
        return result

    def _matrix(self, precision: np.dtype[Any]) -> Array:
        """Return the matrix in a precision. Solutions do not depend on the one in which it was computed."""
        if precision == np.float32:
            return self._inverse
        if self._precise is None:
            self._precise = np.array(self._inverse, np.float64, order="F")
        return self._precise


def pays_decorrelating(part_count: int, row_count: int, column_count: int) -> bool:
    """Return whether a regression on features that were rotated in some parts is fitted sooner by `Decorrelated`."""
    return part_count > 1 and 0 < column_count <= min(MOST_COLUMNS, row_count / _LEAST_ROWS_A_COLUMN)


def _curvature(class_count: int) -> float:
    return (1 - 1 / class_count) / class_count
