"""How sure one can be of an accuracy and of a log-loss: intervals that hold the true one in 95 of 100 cases.

True is what would be seen on ever more new images of the same kind. For a cross-validation it is what the very head
does that is kept, and `inflate` tells how much less sure that is than the scores of as many independent images.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Indices

Interval = tuple[float, float]
"""The lower and the upper end of a range in which a number lies with 95 % confidence."""

_CONFIDENCE: Final = 0.95
_SURE: Final = 1.959963984540054
"""How many standard errors a 95 % interval has to either side."""

_EXCESS: Final = 2.2
_LOG_LOSS_EXCESS: Final = 2.0
"""How many times greater the excess is for log-loss: heads of few examples are all too sure, or all not sure enough."""


def inflate(y: Indices) -> float:
    """Return how many times the variance of a cross-validated accuracy is that of as many independent predictions.

    `y` is [n], the classes' indices of the validated examples. The result is 1 + 2.2 / sqrt(m + 1) for m examples a
    class on average: 1.9 for 5, 1.48 for 20, 1.22 for 100. The folds' heads share most of their examples, and none of
    them is the head that is kept, so both err together, the more so the more a single example moves a head. For many
    examples the scores are as good as independent (Bayle et al., Cross-validation Confidence Intervals for Test Error,
    2020).

    The numbers were fitted to 200 trainings each with 5 and with 20 images a class of thumbnails, digits, drawn letters
    and emoji. The squared error was 1.2 to 2.0 times the naive variance for accuracy, 1.1 to 2.1 times for log-loss.
    The constants are near the upper ends, as intervals should hold the truth on each of these sets:
    `benchmarks/results/quality.txt` has how often they do. Nested cross-validation (Bates, Hastie and Tibshirani,
    Cross-validation: what does it estimate and how well does it do it?, 2023) finds the same on average, but for one
    data set from less than nothing to 6 times.
    """
    return 1 + _EXCESS / float(np.sqrt(np.bincount(y)[np.unique(y)].mean() + 1)) if len(y) else 1.0


def wilson_interval(correct: int, count: int, inflation: float = 1.0) -> Interval | None:
    """Return the 95 % interval of a share, `correct` of `count` (Wilson, 1927), sound for few examples too.

    The share's variance is taken to be `inflation` times that of `count` independent examples.
    """
    if not count:
        return None
    share, squared, effective = correct / count, _SURE**2, count / inflation
    centre = (share + squared / (2 * effective)) / (1 + squared / effective)
    reach = _SURE / (1 + squared / effective) * np.sqrt(share * (1 - share) / effective + squared / (4 * effective**2))
    # At its ends a rounding error would say that what was seen each time cannot be.
    lower = 0.0 if correct == 0 else max(0.0, float(centre - reach))
    return lower, 1.0 if correct == count else min(1.0, float(centre + reach))


def log_loss_interval(losses: npt.NDArray[np.float64], inflation: float = 1.0) -> Interval | None:
    """Return the 95 % interval of the mean of losses [n], as wide as that of its logarithm (by the delta method).

    Losses are above 0 and skewed to the right: their mean errs further upwards than downwards. What `inflation` has in
    excess of 1 counts twice.
    """
    mean = float(losses.mean()) if len(losses) else 0.0
    if len(losses) < 2 or mean <= 0:
        return None if len(losses) < 2 else (mean, mean)
    error = losses.std(ddof=1) * np.sqrt((1 + _LOG_LOSS_EXCESS * (inflation - 1)) / len(losses))
    factor = float(np.exp(_SURE * error / mean))
    return mean / factor, mean * factor
