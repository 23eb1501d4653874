"""Models and their versions: list, get, choose, delete, review."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from lastlayer.client.errors import NotFoundError
from lastlayer.client.results.models import Model
from lastlayer.client.results.versions import ModelVersion
from lastlayer.studio.advice import Advice, advise
from lastlayer.studio.routes.needs import PROBLEMS, Classifier, ResourceName, VersionNumber
from lastlayer.studio.views import ReviewView

router = APIRouter(prefix="/v1/models", tags=["models"], responses=PROBLEMS)


class Choice(BaseModel):
    """The version to use."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]


@router.get("")
def list_models(client: Classifier) -> list[Model]:
    """List the models by name."""
    return list(client.list_models())


@router.get("/{model}")
def get_model(client: Classifier, model: ResourceName) -> Model:
    """Get a model."""
    return client.get_model(model)


@router.delete("/{model}", status_code=204)
def delete_model(client: Classifier, model: ResourceName) -> None:
    """Delete a model with all its versions."""
    client.delete_model(model)


@router.post("/{model}:setDefault")
def set_default(client: Classifier, model: ResourceName, choice: Choice) -> Model:
    """Make a version the one that predictions use where they name none."""
    return client.set_default_version(model, choice.version)


@router.get("/{model}/versions")
def list_versions(client: Classifier, model: ResourceName) -> list[ModelVersion]:
    """List the versions of a model, the newest first."""
    return list(client.list_versions(model))


@router.get("/{model}/versions/{version}")
def get_version(client: Classifier, model: ResourceName, version: VersionNumber) -> ModelVersion:
    """Get a version: how it was trained, and what to expect of it on new images."""
    return client.get_version(model, version)


@router.delete("/{model}/versions/{version}", status_code=204)
def delete_version(client: Classifier, model: ResourceName, version: VersionNumber) -> None:
    """Delete a version, which is not the default one of several."""
    client.delete_version(model, version)


@router.get("/{model}/versions/{version}/review")
def review(
    client: Classifier,
    model: ResourceName,
    version: VersionNumber,
    kind: Literal["suspicious", "mistakes"] = "suspicious",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    thumbnails: bool = True,
) -> ReviewView:
    """List training examples that are worth a look, the worst first.

    Those whose label is probably wrong (`suspicious`), or that were predicted wrongly while held out (`mistakes`).
    """
    return ReviewView.of(client.review_examples(model, version=version, kind=kind, limit=limit, thumbnails=thumbnails))


@router.get("/{model}/versions/{version}/advice")
def get_advice(client: Classifier, model: ResourceName, version: VersionNumber) -> list[Advice]:
    """Say what to do next for a better model, the first first."""
    known = client.get_version(model, version)
    try:
        dataset = client.get_dataset(known.dataset)
    except NotFoundError:
        dataset = None
    suspicious = client.review_examples(model, version=known.version, kind="suspicious", limit=1).total_count
    return advise(known, dataset, suspicious)
