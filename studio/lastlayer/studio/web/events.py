"""Long calls of the classifier as server-sent events: one thread each; whoever goes away ends theirs."""

import asyncio
import contextvars
import dataclasses
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

from starlette.responses import StreamingResponse

from lastlayer.client.errors import BusyError, ClientError
from lastlayer.client.results.models import TrainProgress
from lastlayer.studio.web.problems import problem_of

_log = logging.getLogger(__name__)

_RETRY_S: Final = 5.0

OnProgress = Callable[[TrainProgress], None]
Work = Callable[[OnProgress], Iterable[tuple[str, Any]]]
"""The call: tells how far it is, and returns its last events, each a name and what becomes JSON."""


class _CancelledError(Exception):
    """Nobody waits for the call any more."""


async def stream_events(work: Work, *, places: asyncio.Semaphore, what: str) -> StreamingResponse:
    """Answer with `progress` events, and then those that the work returns, or `problem` where it fails.

    A failure before the first event is raised: `ClientError`, and `BusyError` where no place is left for `what`, such
    as `trainings`. Closing the connection ends the work when it next tells how far it is.
    """
    if places.locked():
        error = BusyError(f"Too many {what} are under way.", code="RESOURCE_EXHAUSTED", reason="OVERLOADED")
        error.retry_after_s = _RETRY_S
        raise error
    await places.acquire()
    run = _Run(work, places, what)
    try:
        first = await run.next()
    except BaseException:
        run.cancel()
        raise
    if isinstance(first, ClientError):
        raise first
    return StreamingResponse(_stream(run, first), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _stream(run: "_Run", event: str | ClientError | None) -> AsyncIterator[str]:
    try:
        while event is not None:
            if isinstance(event, ClientError):
                yield _encode("problem", dataclasses.asdict(problem_of(event)))
            else:
                yield event
            event = await run.next()
    finally:
        run.cancel()


class _Run:
    """One call in a thread of its own, where its events are encoded, too: a map has ten thousand points."""

    def __init__(self, work: Work, places: asyncio.Semaphore, what: str) -> None:
        self._work = work
        self._places = places
        self._what = what
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[str | ClientError | None] = asyncio.Queue()
        self._cancelled = threading.Event()
        thread = threading.Thread(target=contextvars.copy_context().run, args=(self._run,), daemon=True)
        thread.start()

    def cancel(self) -> None:
        """End the call at its next sign of life, which is two seconds away at most."""
        self._cancelled.set()

    async def next(self) -> str | ClientError | None:
        """Return what happens next, None after the last event."""
        return await self._events.get()

    def _run(self) -> None:
        try:
            for name, data in self._work(self._progress):
                self._tell(_encode(name, data))
        except _CancelledError:
            _log.info("One of the %s was cancelled.", self._what)
        except ClientError as error:
            self._tell(error)
        except Exception:
            _log.exception("One of the %s failed unexpectedly.", self._what)
            self._tell(ClientError("The studio failed unexpectedly; its log says why.", code="INTERNAL"))
        finally:
            self._tell(None)
            self._soon(self._places.release)

    def _progress(self, progress: TrainProgress) -> None:
        if self._cancelled.is_set():
            raise _CancelledError
        self._tell(_encode("progress", dataclasses.asdict(progress)))

    def _tell(self, event: str | ClientError | None) -> None:
        self._soon(self._events.put_nowait, event)

    def _soon(self, *call: object) -> None:
        try:
            self._loop.call_soon_threadsafe(*call)  # type: ignore[arg-type]
        except RuntimeError:  # the studio has ended
            _log.debug("Nobody hears of the end of one of the %s.", self._what)


def _encode(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
