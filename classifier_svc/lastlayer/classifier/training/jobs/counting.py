"""Counts trainings and times them; docs/reference/metrics.md has the list of all metrics."""

import contextlib
import time
from collections.abc import Iterator
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_TRAININGS: Final = Counter("classifier_trainings", "Trainings that ended", ["outcome"])
_IN_PROGRESS: Final = Gauge("classifier_trainings_in_progress", "Trainings that run or wait for their turn")
_TRAINING_SECONDS: Final = Histogram(
    "classifier_training_seconds",
    "How long trainings that were done took, with their wait",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 1800),
)


class CountedTraining:
    """Counts a training once, as the first outcome that is told."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._told = False

    def tell(self, outcome: str) -> None:
        """Count the training, unless it is counted already."""
        if not self._told:
            self._told = True
            _TRAININGS.labels(outcome).inc()
            if outcome == "done":
                _TRAINING_SECONDS.observe(time.monotonic() - self._started)

    def forget(self) -> None:
        """Do not count what turned out to be no training."""
        self._told = True


@contextlib.contextmanager
def count_training() -> Iterator[CountedTraining]:
    """Count the training that the block is: as `failed` or `cancelled` where nobody has told anything else."""
    counted = CountedTraining()
    _IN_PROGRESS.inc()
    try:
        yield counted
    except Exception:
        counted.tell("failed")
        raise
    finally:
        _IN_PROGRESS.dec()
        counted.tell("cancelled")
