"""The pool of a dataset: images come without a label, are suggested, and get one or go back."""

import asyncio
import dataclasses
import weakref
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from lastlayer.client.api import Client
from lastlayer.client.results.datasets import Dataset
from lastlayer.studio.routes.examples import Changed, Relabelling, Selection, add
from lastlayer.studio.routes.needs import PROBLEMS, Classifier, ResourceName, image_body, images_of, read_form
from lastlayer.studio.views import ExampleView, NextView, OutcomeView

router = APIRouter(prefix="/v1/datasets/{dataset}", tags=["pool"], responses=PROBLEMS)


@dataclasses.dataclass(frozen=True, slots=True)
class Labelled:
    """How many images of the pool got their label, and the dataset after it."""

    count: int
    taken: list[ExampleView]
    """Those that somebody else has labelled meanwhile; they keep that label."""
    dataset: Dataset


class Returning(Selection):
    """Some examples, and the label that they are to lose."""

    label: Annotated[str, Field(max_length=256, description="only those with this label alone; all where empty")] = ""


@router.post("/pool", openapi_extra=image_body({}))
async def add_to_pool(request: Request, client: Classifier, dataset: ResourceName) -> list[OutcomeView]:
    """Add images without a label to a dataset's pool, which is created if need be; one that fails has an `error`.

    `curl -F image=@new0.jpg -F image=@new1.jpg http://127.0.0.1:8080/v1/datasets/pets/pool`
    """
    async with read_form(request, "Send a form with files named `image`.") as form:
        pictures = await images_of(form)
    return await run_in_threadpool(add, client.add_to_pool, dataset, "", pictures)


@router.get("/pool:next")
def get_next(
    client: Classifier,
    dataset: ResourceName,
    count: Annotated[int, Query(ge=1, le=200, description="the most images to return")] = 20,
    thumbnails: bool = True,
) -> NextView:
    """Say which images of the pool to label next, the most useful first, each with what it may be."""
    return NextView.of(client.next_examples(dataset, count=count, thumbnails=thumbnails))


@router.post("/pool:label")
async def label(request: Request, client: Classifier, dataset: ResourceName, change: Relabelling) -> Labelled:
    """Give images of the pool their label, by which they become examples. What has a label already keeps it.

    So several people can label one pool: whoever is second is told of it, and changes nothing.
    """
    async with _alone(request, dataset):
        return await run_in_threadpool(_label, client, dataset, change)


@router.post("/pool:unlabel")
async def unlabel(request: Request, client: Classifier, dataset: ResourceName, returning: Returning) -> Changed:
    """Take labels away from examples, which go back into the pool. What has got another label meanwhile keeps it."""
    async with _alone(request, dataset):
        return await run_in_threadpool(_unlabel, client, dataset, returning)


def _alone(request: Request, dataset: str) -> asyncio.Lock:
    """Return the lock of a dataset's pool: between a look at its labels and a change nobody else changes them."""
    locks: weakref.WeakValueDictionary[str, asyncio.Lock] = request.app.state.pools
    return locks.setdefault(dataset, asyncio.Lock())


def _label(client: Client, dataset: str, change: Relabelling) -> Labelled:
    known = client.get_examples(dataset, map(bytes.fromhex, change.examples))
    taken = {example.sha256.hex(): example for example in known if example.labels}
    waiting = [bytes.fromhex(sha256) for sha256 in change.examples if sha256 not in taken]
    views = [ExampleView.of(example) for example in taken.values()]
    if not waiting:
        return Labelled(0, views, client.get_dataset(dataset))
    count, after = client.relabel_examples(dataset, waiting, change.given())
    return Labelled(count, views, after)


def _unlabel(client: Client, dataset: str, returning: Returning) -> Changed:
    known = client.get_examples(dataset, map(bytes.fromhex, returning.examples))
    chosen = [example.sha256 for example in known if returning.label in ("", *example.labels[:1])]
    if not chosen:
        return Changed(0, client.get_dataset(dataset))
    return Changed(*client.unlabel_examples(dataset, chosen))
