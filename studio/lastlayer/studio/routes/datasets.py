"""Datasets: list, get, delete."""

from fastapi import APIRouter

from lastlayer.client.results.datasets import Dataset
from lastlayer.studio.routes.needs import PROBLEMS, Classifier, ResourceName

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], responses=PROBLEMS)


@router.get("")
def list_datasets(client: Classifier) -> list[Dataset]:
    """List the datasets by name."""
    return list(client.list_datasets())


@router.get("/{dataset}")
def get_dataset(client: Classifier, dataset: ResourceName) -> Dataset:
    """Get a dataset."""
    return client.get_dataset(dataset)


@router.delete("/{dataset}", status_code=204)
def delete_dataset(client: Classifier, dataset: ResourceName) -> None:
    """Delete a dataset with its examples; models that were trained on it stay."""
    client.delete_dataset(dataset)
