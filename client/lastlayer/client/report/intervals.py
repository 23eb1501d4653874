"""Intervals of shares."""

_Z: float = 1.96
"""Standard deviations of a normal distribution that hold 95 % of it."""


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share that was seen in `count` trials, at least 1 (Wilson, 1927)."""
    square = _Z**2 / count
    middle = (share + square / 2) / (1 + square)
    half = _Z * (share * (1 - share) / count + square / (4 * count)) ** 0.5 / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)
