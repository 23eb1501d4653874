"""Trainings: one request each, answered by server-sent events; whoever goes away cancels theirs."""

import asyncio
import contextvars
import dataclasses
import json
import logging
import threading
from collections.abc import AsyncIterator
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Request
from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from lastlayer.client.api import Client
from lastlayer.client.errors import BusyError, ClientError
from lastlayer.client.results import ModelVersion, TrainProgress
from lastlayer.studio.routes.needs import PROBLEMS, Classifier, ResourceName
from lastlayer.studio.web.problems import problem_of

_log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1/models", tags=["training"], responses=PROBLEMS)

AT_ONCE: Final = 16
"""How many trainings the studio follows at once; each takes a thread here. The classifier bounds those that run."""

_Event = TrainProgress | ModelVersion | ClientError


class Training(BaseModel):
    """How to train."""

    dataset: Annotated[str, Field(max_length=63, description="the model's name where empty")] = ""
    recipe: Literal["auto", "tutorial"] = "auto"
    class_weight: Literal["none", "balanced"] = "none"
    min_precision: Annotated[float, Field(ge=0, lt=1, description="0 rejects no prediction")] = 0.0
    prefer: Literal["quality", "speed"] = "quality"


class _CancelledError(Exception):
    """Nobody waits for the training any more."""


class _Run:
    """One training in a thread of its own."""

    def __init__(self, client: Client, model: str, training: Training, done: asyncio.Semaphore) -> None:
        self._client = client
        self._model = model
        self._training = training
        self._done = done
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[_Event | None] = asyncio.Queue()
        self._cancelled = threading.Event()
        thread = threading.Thread(target=contextvars.copy_context().run, args=(self._train,), daemon=True)
        thread.start()

    def cancel(self) -> None:
        """End the training at its next sign of life, which is two seconds away at most; it leaves no version."""
        self._cancelled.set()

    async def next(self) -> _Event | None:
        """Return what happens next, None after the last event."""
        return await self._events.get()

    def _train(self) -> None:
        try:
            known = self._training.model_dump()
            self._tell(self._client.train(self._model, on_progress=self._progress, **known))
        except _CancelledError:
            _log.info("A training of model %s was cancelled.", self._model)
        except ClientError as error:
            self._tell(error)
        except Exception:
            _log.exception("A training of model %s failed unexpectedly.", self._model)
            self._tell(ClientError("The studio failed unexpectedly; its log says why.", code="INTERNAL"))
        finally:
            self._tell(None)
            self._soon(self._done.release)

    def _progress(self, progress: TrainProgress) -> None:
        if self._cancelled.is_set():
            raise _CancelledError
        self._tell(progress)

    def _tell(self, event: _Event | None) -> None:
        self._soon(self._events.put_nowait, event)

    def _soon(self, *call: object) -> None:
        try:
            self._loop.call_soon_threadsafe(*call)  # type: ignore[arg-type]
        except RuntimeError:  # the studio has ended
            _log.debug("Nobody hears of the end of a training.")


@router.post("/{model}:train", response_class=StreamingResponse)
async def train(request: Request, client: Classifier, model: ResourceName, training: Training) -> StreamingResponse:
    """Train a version of a model and make it the default: server-sent events.

    `progress` (`message`, and `fraction` from 0 to 1) comes at least every two seconds; the last event is `version`, or
    `problem` where it fails. Closing the connection cancels the training and leaves no version.
    """
    places: asyncio.Semaphore = request.app.state.trainings
    if places.locked():
        error = BusyError("Too many trainings are under way.", code="RESOURCE_EXHAUSTED", reason="OVERLOADED")
        error.retry_after_s = 5.0
        raise error
    await places.acquire()
    run = _Run(client, model, training, places)
    try:
        first = await run.next()
    except BaseException:
        run.cancel()
        raise
    if isinstance(first, ClientError):
        raise first
    return StreamingResponse(_stream(run, first), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _stream(run: _Run, event: _Event | None) -> AsyncIterator[str]:
    try:
        while event is not None:
            yield _encode(event)
            event = await run.next()
    finally:
        run.cancel()


def _encode(event: _Event) -> str:
    if isinstance(event, ClientError):
        name, data = "problem", dataclasses.asdict(problem_of(event))
    else:
        name, data = ("progress" if isinstance(event, TrainProgress) else "version"), jsonable_encoder(event)
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
