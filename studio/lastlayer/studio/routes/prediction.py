"""Predictions and explanations: few at once, so that they do not crowd out the callers of gRPC."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from lastlayer.studio.routes.needs import (
    PROBLEMS,
    Classifier,
    ResourceName,
    image_body,
    read_image,
    read_images,
    unreadable_refused,
)
from lastlayer.studio.views import ExplanationView, Predictions, PredictionView
from lastlayer.studio.web.lane import Lane

router = APIRouter(prefix="/v1/models", tags=["predictions"], responses=PROBLEMS)

Version = Annotated[int, Query(ge=0, le=2**31 - 1, description="the model's default where 0")]
Threshold = Annotated[
    float | None,
    Query(ge=0, le=1, description="the least probability of the best class; the version's own where left out"),
]


@contextlib.asynccontextmanager
async def turn(request: Request, what: str, images: Sequence[bytes]) -> AsyncIterator[None]:
    """Wait for a place at the classifier, of which there are two: one for single images, one for several at once."""
    if len(images) > 1:
        batches: asyncio.Semaphore = request.app.state.batches
        async with batches:
            yield
        return
    lane: Lane = request.app.state.lane
    async with lane.turn((what, len(images[0]).bit_length())):  # large images take longer to decode
        yield


@router.post("/{model}:predict", openapi_extra=image_body())
async def predict(
    request: Request,
    client: Classifier,
    model: ResourceName,
    version: Version = 0,
    top_k: Annotated[int, Query(ge=0, le=10_000, description="how many of the best classes; all where 0")] = 0,
    threshold: Threshold = None,
) -> Predictions:
    """Predict the classes of some images. One that fails has an `error`; the others are predicted.

    `curl -F image=@img.jpg http://127.0.0.1:8080/v1/models/default:predict`
    """
    pictures = await read_images(request)
    contents = [picture.content for picture in pictures]
    wanted: dict[str, Any] = {"model": model, "version": version, "top_k": top_k, "threshold": threshold}
    async with turn(request, "predict", contents):
        found = await run_in_threadpool(client.predict, contents, **wanted)
    results = [
        dataclasses.replace(PredictionView.of(entry), image=picture.name)
        for entry, picture in zip(found, pictures, strict=True)
    ]
    return Predictions(found[0].model, max(entry.version for entry in found), results)


@router.post("/{model}:explain", openapi_extra=image_body())
async def explain(
    request: Request,
    client: Classifier,
    model: ResourceName,
    version: Version = 0,
    label: Annotated[str, Query(max_length=256, description="the class to explain; the best one where empty")] = "",
) -> ExplanationView:
    """Say where in an image the score of a class comes from: its class activation map."""
    picture = await read_image(request)
    async with turn(request, "explain", [picture.content]):
        with unreadable_refused():
            found = await run_in_threadpool(client.explain, picture.content, model=model, version=version, label=label)
    view = ExplanationView.of(found)
    return dataclasses.replace(view, prediction=dataclasses.replace(view.prediction, image=picture.name))
