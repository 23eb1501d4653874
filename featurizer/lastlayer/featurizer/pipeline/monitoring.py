"""What operators of the featurizer are told, by the rules of Prometheus; docs/reference/metrics.md has the list."""

import asyncio
import contextlib
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
