"""The examples of a dataset: add, list, relabel, remove."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from lastlayer.client.api import Client
from lastlayer.client.data.images import LabelledImage
from lastlayer.client.errors import NotFoundError
from lastlayer.client.results.datasets import Dataset
from lastlayer.client.results.examples import ExampleOutcome
from lastlayer.studio.routes.needs import (
    PROBLEMS,
    Classifier,
    Label,
    Picture,
    ResourceName,
    Sha256,
    image_body,
    images_of,
    read_form,
)
from lastlayer.studio.views import ExampleView, OutcomeView
from lastlayer.studio.web.problems import RefusedError

router = APIRouter(prefix="/v1/datasets/{dataset}", tags=["examples"], responses=PROBLEMS)

_AT_ONCE: Final = 1000
"""The most examples that the classifier changes in one call."""


@dataclasses.dataclass(frozen=True, slots=True)
class ExamplePageView:
    """Some examples, in order of arrival."""

    examples: list[ExampleView]
    next_page_token: str
    """What to ask for the next page with; empty on the last."""


@dataclasses.dataclass(frozen=True, slots=True)
class Changed:
    """How many examples were changed, and the dataset after it."""

    count: int
    dataset: Dataset


class Selection(BaseModel):
    """Some examples."""

    examples: Annotated[list[Sha256], Field(min_length=1, max_length=_AT_ONCE)]


class Wanted(Selection):
    """Some examples, and how they are shown."""

    thumbnails: bool = True


class Relabelling(Selection):
    """Some examples and their new label; in a multi-label dataset their new `labels`, which may be none."""

    label: Label | None = None
    labels: Annotated[list[Label] | None, Field(max_length=100)] = None

    def given(self) -> str | list[str]:
        """Return the label or the labels; raises RefusedError unless one of both is given."""
        if (self.label is None) is (self.labels is None):
            raise RefusedError(
                400, "INVALID_ARGUMENT", "Give either `label` or `labels`.", reason="INVALID_FIELD", field="label"
            )
        return self.label if self.label is not None else self.labels or []


class Renaming(BaseModel):
    """A class's label, and the one that its examples get."""

    label: Label
    new_label: Label


@router.post("/examples", openapi_extra=image_body({"label": {"type": "string"}}))
async def add_examples(request: Request, client: Classifier, dataset: ResourceName) -> list[OutcomeView]:
    """Add images with a label to a dataset, which is created if need be; one that fails has an `error`.

    `curl -F label=cat -F image=@cat0.jpg -F image=@cat1.jpg http://127.0.0.1:8080/v1/datasets/pets/examples`
    """
    async with read_form(request, "Send a form with a `label` and files named `image`.") as form:
        label = form.get("label")
        if not isinstance(label, str) or not label:
            raise RefusedError(
                400, "INVALID_ARGUMENT", "The form has no `label`.", reason="INVALID_FIELD", field="label"
            )
        pictures = await images_of(form)
    return await run_in_threadpool(add, client.add_examples, dataset, label, pictures)


def add(method: Callable[..., object], dataset: str, label: str, pictures: Sequence[Picture]) -> list[OutcomeView]:
    """Add images by a method of the client, with a label that is empty for the pool; return what became of each."""
    outcomes: dict[str, list[ExampleOutcome]] = {}
    examples = [LabelledImage(picture.content, label, picture.name) for picture in pictures]
    method(examples, dataset=dataset, on_outcome=lambda outcome: outcomes.setdefault(outcome.image, []).append(outcome))
    # They become known in any order; several of one name become known in theirs, or are told apart by nobody.
    return [
        OutcomeView.of(outcomes[picture.name].pop(0), hashlib.sha256(picture.content).hexdigest())
        for picture in pictures
    ]


@router.get("/examples")
def list_examples(
    client: Classifier,
    dataset: ResourceName,
    label: Annotated[str, Query(max_length=256, description="only those with this label; all where empty")] = "",
    conflicts_only: bool = False,
    pool: Annotated[bool, Query(description="the images of the pool in place of the examples")] = False,
    thumbnails: bool = True,
    page_size: Annotated[int, Query(ge=1, le=_AT_ONCE)] = 100,
    page_token: Annotated[str, Query(max_length=4096)] = "",
) -> ExamplePageView:
    """List the examples of a dataset, or the images of its pool, in order of arrival."""
    page = client.list_example_page(
        dataset,
        label=label,
        conflicts_only=conflicts_only,
        pool=pool,
        thumbnails=thumbnails,
        page_size=page_size,
        page_token=page_token,
    )
    return ExamplePageView([ExampleView.of(entry) for entry in page.examples], page.next_page_token)


@router.post("/examples:batchGet")
def get_examples(client: Classifier, dataset: ResourceName, wanted: Wanted) -> list[ExampleView]:
    """Get some examples or images of the pool; those that are not there are left out."""
    found = client.get_examples(dataset, map(bytes.fromhex, wanted.examples), thumbnails=wanted.thumbnails)
    return [ExampleView.of(entry) for entry in found]


@router.post("/examples:relabel")
def relabel(client: Classifier, dataset: ResourceName, change: Relabelling) -> Changed:
    """Give examples a label, or labels, in place of all that they have. All are changed or none.

    Images of the pool become examples by it; `pool:label` does so where they still wait for one.
    """
    return Changed(*client.relabel_examples(dataset, map(bytes.fromhex, change.examples), change.given()))


@router.post("/examples:remove")
def remove(client: Classifier, dataset: ResourceName, selection: Selection) -> Changed:
    """Remove examples, or images of the pool. All are removed or none."""
    return Changed(*client.remove_examples(dataset, map(bytes.fromhex, selection.examples)))


@router.post("/classes:rename")
def rename_class(client: Classifier, dataset: ResourceName, renaming: Renaming) -> Changed:
    """Give all examples of a class another label, which may be one that there is; those in conflict stay.

    In a multi-label dataset they keep their other labels. May be repeated where it was broken off.
    """
    count = 0
    known: Dataset | None = None
    for labels, some in _renamed(client, dataset, renaming.label, renaming.new_label):
        changed, known = client.relabel_examples(dataset, some, labels if len(labels) > 1 else renaming.new_label)
        count += changed
    return Changed(count, known or client.get_dataset(dataset))


def _renamed(client: Client, dataset: str, label: str, new: str) -> Iterator[tuple[tuple[str, ...], list[bytes]]]:
    """Yield the new labels of the examples of a class, with as many of their sha256 as one call changes at once.

    Only of those with this label alone, unless the dataset is multi-label.
    """
    several = client.get_dataset(dataset).multi_label
    found: dict[tuple[str, ...], list[bytes]] = {}
    for example in client.list_examples(dataset, label=label):
        if len(example.labels) == 1 or several:
            renamed = tuple(dict.fromkeys(new if known == label else known for known in example.labels))
            found.setdefault(renamed, []).append(example.sha256)
    if not found:
        raise NotFoundError(f"Dataset {dataset} has no class `{label}`.", code="NOT_FOUND", reason="RESOURCE_NOT_FOUND")
    for labels, examples in found.items():
        for start in range(0, len(examples), _AT_ONCE):
            yield labels, examples[start : start + _AT_ONCE]
