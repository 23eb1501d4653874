"""What operators of the featurizer are told, by the rules of Prometheus; docs/reference/metrics.md has the list."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from lastlayer.rpc.errors import DeadlinePassedError, LastlayerError

QUEUE_DEPTH: Final = Gauge("featurizer_queue_depth_images", "Images that wait or are in work, of calls and of streams")
IMAGES: Final = Counter("featurizer_images", "Images that were asked for, by how that ended", ["outcome"])
BATCH_IMAGES: Final = Histogram(
    "featurizer_batch_images",
    "Images in a batch that ran through the graph",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
DECODE_SECONDS: Final = Histogram(
    "featurizer_decode_seconds",
    "How long an image took to be decoded and resized",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
GRAPH_SECONDS: Final = Histogram(
    "featurizer_graph_seconds",
    "How long a batch took in the graph",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
GRAPH_BUSY_SECONDS: Final = Counter("featurizer_graph_busy_seconds", "For how long at least one batch was in the graph")
BACKBONE: Final = Gauge(
    "featurizer_backbone_info", "The backbone that is served; always 1", ["name", "digest", "device", "precision"]
)
MEAN_COSINE: Final = Gauge(
    "featurizer_mean_cosine", "How near features are to those in float32: the mean cosine, as it was measured", ["tap"]
)
LEAST_COSINE: Final = Gauge(
    "featurizer_least_cosine", "The least cosine of features to those in float32, as it was measured", ["tap"]
)


@contextlib.contextmanager
def count_outcome(is_late: Callable[[], bool]) -> Iterator[None]:
    """Count an image by how the block ends; `is_late` tells whether its deadline has passed."""
    outcome = "internal"
    try:
        yield
        outcome = "done"
    except LastlayerError as error:
        outcome = error.reason.lower()
        raise
    except asyncio.CancelledError:
        # The end of a call's deadline cancels it, too. So does the first image of a call that is late for the others.
        outcome = DeadlinePassedError.reason.lower() if is_late() else "cancelled"
        raise
    finally:
        IMAGES.labels(outcome).inc()


class GraphTime:
    """Measures how long batches take in the graph, side by side and in several threads, and what an image costs."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._running = 0
        self._counted_until = 0.0
        self.image_seconds = 0.05
        """A running mean of what an image costs in the graph, which tells how long a full queue takes."""

    @contextlib.contextmanager
    def measure(self, images: int) -> Iterator[None]:
        """Measure a batch of so many images, which the block runs; one that fails only counts as time that passed."""
        with self._lock:
            started = self._clock()
            if not self._running:
                self._counted_until = started
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                ended = self._clock()
                # Of batches side by side, each costs what has passed since another one ended, whichever began first.
                cost = ended - self._counted_until
                self._counted_until = ended
            GRAPH_BUSY_SECONDS.inc(cost)
        with self._lock:
            self.image_seconds += 0.1 * (cost / images - self.image_seconds)
        GRAPH_SECONDS.observe(ended - started)
        BATCH_IMAGES.observe(images)
