"""Captures a sample of the images that are predicted, into the pool of their model's dataset."""

import asyncio
import datetime
import hashlib
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, Protocol

from prometheus_client import Counter

from lastlayer.classifier.domain.types import PoolSource, Predicted, ServedVersion
from lastlayer.classifier.features.ingest import Ingest, Offered
from lastlayer.classifier.prediction.capture.policy import CapturePolicy
from lastlayer.classifier.store.models import ModelStore
from lastlayer.classifier.store.operation.captured import CapturedImages
from lastlayer.rpc.errors import LastlayerError
from lastlayer.rpc.system.workers import Workers

_log = logging.getLogger(__name__)

_CAPTURED: Final = Counter(
    "classifier_captured_images", "Images of the drawn share of predictions, by what became of them", ["outcome"]
)

for _outcome in ("kept", "present", "not_drawn", "dropped", "failed"):
    _CAPTURED.labels(_outcome)  # so that each is there before it counts anything

_MOST_WAITING: Final = 32
_MOST_WAITING_BYTES: Final = 32 * 1024 * 1024
"""What waits to be captured is dropped beyond either: predictions come first."""

_PATIENCE_S: Final = 60.0
"""How long the featurizer may be busy with other things, before an image is given up."""

_SWEEP_S: Final = 3600.0
_DAY: Final = datetime.timedelta(days=1)


class BeginIngest(Protocol):
    """Begins to take images; `deadline` is of `time.monotonic()`."""

    def __call__(self, *, deadline: float | None) -> Ingest: ...  # noqa: D102 - as above


class _Waiting(NamedTuple):
    version: ServedVersion
    content: bytes


class Capture:
    """Takes images as they are predicted; `running` keeps some of them.

    The sample is fair whenever the images come: of all that are drawn in a day the `per_day` whose hashes with the day
    are the least are kept, so that each has the same chance, and several classifiers on one store agree. What is kept
    of an image is what is kept of any example: its features, a thumbnail and its sha256, not its file.
    """

    def __init__(
        self,
        policy: CapturePolicy,
        models: ModelStore,
        captured: CapturedImages,
        begin_ingest: BeginIngest,
        *,
        reads: Workers,
        writes: Workers,
        draw: Callable[[], float] = random.random,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        """`reads` and `writes` call the store. `draw` gives a random number from 0 to 1, `now` the time in UTC."""
        self._policy = policy
        self._models = models
        self._captured = captured
        self._begin_ingest = begin_ingest
        self._reads, self._writes = reads, writes
        self._draw, self._now = draw, now
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(_MOST_WAITING)
        self._waiting_bytes = 0

    def offer(
        self, version: ServedVersion, images: Sequence[bytes], outcomes: Sequence[Predicted | LastlayerError]
    ) -> None:
        """Take the images of a request, each with its prediction. It takes microseconds, and never fails."""
        policy = self._policy
        if not policy.share or (policy.models and version.model not in policy.models):
            return
        for content, outcome in zip(images, outcomes, strict=True):
            if not isinstance(outcome, Predicted) or self._draw() >= policy.share:
                continue
            if self._queue.full() or self._waiting_bytes + len(content) > _MOST_WAITING_BYTES:
                _CAPTURED.labels("dropped").inc()
                continue
            self._waiting_bytes += len(content)
            self._queue.put_nowait(_Waiting(version, content))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep images, and delete those whose time has come, while the block lasts."""
        policy = self._policy
        if policy.share:
            _log.info(
                "capturing images: %g of those that %s predict, at most %d a day for each dataset, for %d days; "
                "CLASSIFIER_CAPTURE_SHARE=0 ends that",
                policy.share,
                "the models " + ", ".join(sorted(policy.models)) if policy.models else "all models",
                policy.per_day,
                policy.days,
            )
        tasks = [asyncio.create_task(self._sweep()), asyncio.create_task(self._take_all())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_all(self) -> None:
        while True:
            waiting = await self._queue.get()
            outcome = "failed"
            try:
                outcome = await self._take(waiting)
            except LastlayerError as error:
                _log.debug("an image was not captured: %s", error)
            except Exception:
                _log.exception("an image could not be captured")
            finally:
                self._waiting_bytes -= len(waiting.content)
            _CAPTURED.labels(outcome).inc()

    async def _take(self, waiting: _Waiting) -> str:
        """Keep an image, or not; return what became of it. Raises what the store and the featurizer raise."""
        version, content = waiting
        dataset = (await self._reads.run(self._models.get_version, version.model, version.version)).dataset
        sha256 = await self._reads.run(lambda: hashlib.sha256(content).digest())
        today = self._now().replace(hour=0, minute=0, second=0, microsecond=0)
        kept = await self._reads.run(self._captured.list_since, dataset, today)
        if sha256 in kept:
            return "present"
        if sha256 in _choose_excess([*kept, sha256], today, self._policy.per_day):
            return "not_drawn"
        name = f"captured-{today:%Y-%m-%d}-{sha256.hex()[:12]}"
        async with self._begin_ingest(deadline=time.monotonic() + _PATIENCE_S) as ingest:
            ingest.begin(dataset, thumbnails=True, into_pool=True, source=PoolSource.CAPTURED)
            prepared = await ingest.prepare([Offered(name, "", content, sha256)])
            [outcome] = await ingest.store(dataset, prepared)
        if outcome.error is not None:
            raise outcome.error
        excess = _choose_excess(
            await self._reads.run(self._captured.list_since, dataset, today), today, self._policy.per_day
        )
        if excess:
            await self._writes.run(self._captured.remove, dataset, excess)
        return "kept" if outcome.is_new else "present"

    async def _sweep(self) -> None:
        """Delete what is too old, whether or not anything is captured now: so it goes even where that was ended."""
        while True:
            try:
                gone = await self._writes.run(self._captured.expire, self._now() - self._policy.days * _DAY)
                if gone:
                    _log.info("deleted %d captured images that were older than %d days", gone, self._policy.days)
            except LastlayerError as error:
                _log.warning("captured images that are too old could not be deleted: %s", error)
            except Exception:
                _log.exception("captured images that are too old could not be deleted")
            await asyncio.sleep(_SWEEP_S)


def _choose_excess(contents: Sequence[bytes], day: datetime.datetime, most: int) -> list[bytes]:
    """Return those of the images of a day, by sha256, that are beyond the most: the same whatever their order.

    They are the ones with the greatest hashes of day and image. Of a stream that is bottom-k sampling (Cohen and
    Kaplan, Summarizing Data Using Bottom-k Sketches, 2007). With the day in it no image is kept each day that it comes.
    """

    def rank(content: bytes) -> bytes:
        return hashlib.sha256(day.date().isoformat().encode() + content).digest()

    return sorted(contents, key=rank)[most:]
