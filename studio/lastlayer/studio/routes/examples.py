"""The examples of a dataset: add, list, relabel, remove."""

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from lastlayer.client.api import Client
from lastlayer.client.data.images import LabelledImage
from lastlayer.client.errors import NotFoundError
from lastlayer.client.results import Dataset, ExampleOutcome
from lastlayer.studio.routes.needs import PROBLEMS, Classifier, Picture, ResourceName, image_body, images_of
from lastlayer.studio.views import ExampleView, OutcomeView
from lastlayer.studio.web.problems import RefusedError

router = APIRouter(prefix="/v1/datasets/{dataset}", tags=["examples"], responses=PROBLEMS)

_AT_ONCE: Final = 1000
"""The most examples that the classifier changes in one call."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Label = Annotated[str, Field(min_length=1, max_length=256)]


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


class Relabelling(Selection):
    """Some examples and their new label; in a multi-label dataset their new `labels`, which may be none."""

    label: Label | None = None
    labels: Annotated[list[Label] | None, Field(max_length=100)] = None


class Renaming(BaseModel):
    """A class's label, and the one that its examples get."""

    label: Label
    new_label: Label


@router.post("/examples", openapi_extra=image_body({"label": {"type": "string"}}))
async def add_examples(request: Request, client: Classifier, dataset: ResourceName) -> list[OutcomeView]:
    """Add images with a label to a dataset, which is created if need be; one that fails has an `error`.

    `curl -F label=cat -F image=@cat0.jpg -F image=@cat1.jpg http://127.0.0.1:8080/v1/datasets/pets/examples`
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise RefusedError(
            415, "INVALID_ARGUMENT", "Send a form with a `label` and files named `image`.", field="Content-Type"
        )
    async with request.form(max_files=64, max_fields=8) as form:
        label = form.get("label")
        if not isinstance(label, str) or not label:
            raise RefusedError(
                400, "INVALID_ARGUMENT", "The form has no `label`.", reason="INVALID_FIELD", field="label"
            )
        pictures = await images_of(form)
    return await run_in_threadpool(_add, client, dataset, label, pictures)


def _add(client: Client, dataset: str, label: str, pictures: list[Picture]) -> list[OutcomeView]:
    outcomes: dict[str, list[ExampleOutcome]] = {}
    examples = [LabelledImage(picture.content, label, picture.name) for picture in pictures]
    client.add_examples(
        examples, dataset=dataset, on_outcome=lambda outcome: outcomes.setdefault(outcome.image, []).append(outcome)
    )
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
    thumbnails: bool = True,
    page_size: Annotated[int, Query(ge=1, le=_AT_ONCE)] = 100,
    page_token: Annotated[str, Query(max_length=4096)] = "",
) -> ExamplePageView:
    """List the examples of a dataset in order of arrival."""
    page = client.list_example_page(
        dataset,
        label=label,
        conflicts_only=conflicts_only,
        thumbnails=thumbnails,
        page_size=page_size,
        page_token=page_token,
    )
    return ExamplePageView([ExampleView.of(entry) for entry in page.examples], page.next_page_token)


@router.post("/examples:relabel")
def relabel(client: Classifier, dataset: ResourceName, change: Relabelling) -> Changed:
    """Give examples a label, or labels, in place of all that they have. All are changed or none."""
    if (change.label is None) is (change.labels is None):
        raise RefusedError(
            400, "INVALID_ARGUMENT", "Give either `label` or `labels`.", reason="INVALID_FIELD", field="label"
        )
    given = change.label if change.label is not None else change.labels or ()
    return Changed(*client.relabel_examples(dataset, map(bytes.fromhex, change.examples), given))


@router.post("/examples:remove")
def remove(client: Classifier, dataset: ResourceName, selection: Selection) -> Changed:
    """Remove examples. All are removed or none."""
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
