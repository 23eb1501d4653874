"""Intervals of shares that the service gives none for: of one class's recall, and of one bin's accuracy."""

from typing import Final

_Z: Final = 1.959963984540054
"""Standard deviations of a normal distribution that hold 95 % of it; the service's intervals have the same."""


def wilson(share: float, count: float) -> tuple[float, float]:
    """Return the 95 % interval of a share, from 0 to 1, that was seen in `count` trials, more than 0 (Wilson, 1927).

    For a cross-validation, `count` is the number of examples divided by `Metrics.interval_inflation`.

    >>> "{:.4f} to {:.4f}".format(*wilson(81 / 263, 263))
    '0.2553 to 0.3662'
    """
    square = _Z**2 / count
    middle = (share + square / 2) / (1 + square)
    half = _Z * (share * (1 - share) / count + square / (4 * count)) ** 0.5 / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)
