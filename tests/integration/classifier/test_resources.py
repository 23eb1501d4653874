"""Listing, getting and deleting datasets, models and versions; health, reflection and the life of the service."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest
from google.protobuf import empty_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from lastlayer.classifier.features.client import FeaturizerClient
from lastlayer.classifier.server import running
from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.classifier.store.database import StoreOpenError
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc
from tests.integration.classifier.calls import (
    add,
    channel,
    examples,
    failure,
    kinds,
    known,
    train,
    train_anew,
)
from tests.integration.classifier.fake_featurizer import FakeFeaturizer, serving

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def pages_of(method, request, entries: str) -> list[list]:
    """Return all pages of a list."""
    pages = []
    while True:
        response = await method(request)
        pages.append(list(getattr(response, entries)))
        if not response.next_page_token:
            return pages
        request.page_token = response.next_page_token


async def test_datasets_are_listed_by_name_page_by_page(stub) -> None:
    assert await pages_of(stub.ListDatasets, classifier_pb2.ListDatasetsRequest(), "datasets") == [[]]
    for name in ("b", "a", "d", "c", "B"):
        await add(stub, name, examples("cat", 1))
    pages = await pages_of(stub.ListDatasets, classifier_pb2.ListDatasetsRequest(page_size=2), "datasets")
    assert [[entry.name for entry in page] for page in pages] == [["B", "a"], ["b", "c"], ["d"]]
    [whole] = await pages_of(stub.ListDatasets, classifier_pb2.ListDatasetsRequest(page_size=5), "datasets")
    assert len(whole) == 5


async def test_the_network_that_is_served_is_described(stub, fake: FakeFeaturizer) -> None:
    backbone = await stub.GetServedBackbone(classifier_pb2.GetServedBackboneRequest())
    assert (backbone.name, backbone.digest) == (fake.name, fake.digest)
    assert backbone.imagenet_accuracy == 0.7
    assert [other.name for other in backbone.others] == ["xception"]


async def test_models_and_versions_are_listed_page_by_page(stub) -> None:
    await add(stub, "d", examples("cat", 3) + examples("dog", 3))
    for model in ("y", "x", "x", "x"):
        await train(stub, model, dataset="d")
    [models] = await pages_of(stub.ListModels, classifier_pb2.ListModelsRequest(), "models")
    assert [(model.name, model.default_version, model.version_count) for model in models] == [("x", 3, 3), ("y", 1, 1)]
    assert list(models[0].classes) == ["cat", "dog"]
    assert models[0].update_time.ToNanoseconds() > models[0].create_time.ToNanoseconds()
    request = classifier_pb2.ListModelVersionsRequest(model="x", page_size=2)
    pages = await pages_of(stub.ListModelVersions, request, "versions")
    assert [[entry.version for entry in page] for page in pages] == [[3, 2], [1]]


async def test_versions_are_deleted_and_the_last_one_takes_the_model_along(stub) -> None:
    await train_anew(stub)
    await train(stub)
    delete = classifier_pb2.DeleteModelVersionRequest
    details = await failure(stub.DeleteModelVersion(delete(model="m", version=2)))
    assert (details.code, details.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "VERSION_IN_USE")
    assert details.message == "Version 2 is the default of the model `m`; make another version the default first."
    model = await stub.SetDefaultVersion(classifier_pb2.SetDefaultVersionRequest(model="m", version=1))
    assert (model.default_version, model.version_count) == (1, 2)
    assert await stub.DeleteModelVersion(delete(model="m", version=2)) == empty_pb2.Empty()
    assert (await train(stub)).version == 3
    await stub.DeleteModelVersion(delete(model="m", version=1))
    await stub.DeleteModelVersion(delete(model="m", version=3))
    details = await failure(stub.GetModel(classifier_pb2.GetModelRequest(name="m")))
    assert (details.code, details.message) == (
        grpc.StatusCode.NOT_FOUND,
        "There is no model `m`. No model was trained yet.",
    )


async def test_a_deleted_dataset_takes_the_features_that_only_it_has(stub, fake: FakeFeaturizer) -> None:
    await add(stub, "one", examples("cat", 2))
    await add(stub, "two", examples("cat", 1))
    await stub.DeleteDataset(classifier_pb2.DeleteDatasetRequest(name="one"))
    details = await failure(stub.GetDataset(classifier_pb2.GetDatasetRequest(name="one")))
    assert (details.code, details.metadata) == (grpc.StatusCode.NOT_FOUND, {"resource": "dataset", "name": "one"})
    probes = [known(b"cat-0", "cat"), known(b"cat-1", "cat")]
    assert kinds(await add(stub, "three", probes)) == ["added", "content_needed"]


async def test_models_outlive_their_dataset(stub) -> None:
    await train_anew(stub)
    await stub.DeleteDataset(classifier_pb2.DeleteDatasetRequest(name="m"))
    version = await stub.GetModelVersion(classifier_pb2.GetModelVersionRequest(model="m", version=1))
    assert version.dataset == "m"
    await stub.DeleteModel(classifier_pb2.DeleteModelRequest(name="m"))
    assert not (await stub.ListModels(classifier_pb2.ListModelsRequest())).models


WRONG_TOKEN = "The page token is not one that this service has given."


@pytest.mark.parametrize(
    ("method", "request_", "field", "sentence"),
    [
        ("ListDatasets", classifier_pb2.ListDatasetsRequest(page_size=-1), "page_size", "The page size is -1; "),
        ("ListDatasets", classifier_pb2.ListDatasetsRequest(page_size=1001), "page_size", "The page size is 1001; "),
        ("ListDatasets", classifier_pb2.ListDatasetsRequest(page_token="!"), "page_token", WRONG_TOKEN),
        ("ListModels", classifier_pb2.ListModelsRequest(page_token="é"), "page_token", WRONG_TOKEN),
        ("ListModels", classifier_pb2.ListModelsRequest(page_size=-5), "page_size", "The page size is -5; "),
        (
            "ListModelVersions",
            classifier_pb2.ListModelVersionsRequest(model="m", page_token="YQ=="),
            "page_token",
            WRONG_TOKEN,
        ),
        ("ListModelVersions", classifier_pb2.ListModelVersionsRequest(), "model", "The model is empty; "),
        ("GetDataset", classifier_pb2.GetDatasetRequest(name="a/b"), "name", "The name is `a/b`; "),
        ("DeleteDataset", classifier_pb2.DeleteDatasetRequest(), "name", "The name is empty; "),
        ("GetModel", classifier_pb2.GetModelRequest(), "name", "The name is empty; "),
        ("DeleteModel", classifier_pb2.DeleteModelRequest(name="\0"), "name", "The name is "),
        ("GetModelVersion", classifier_pb2.GetModelVersionRequest(model="m", version=-1), "version", "The version is"),
        ("DeleteModelVersion", classifier_pb2.DeleteModelVersionRequest(model="m"), "version", "The version is 0; "),
        ("SetDefaultVersion", classifier_pb2.SetDefaultVersionRequest(model="m"), "version", "The version is 0; "),
    ],
)
async def test_a_wrong_request_names_its_field(stub, method: str, request_, field: str, sentence: str) -> None:
    details = await failure(getattr(stub, method)(request_))
    assert (details.code, details.reason, details.field) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_FIELD",
        field,
    )
    assert details.message.startswith(sentence)


@pytest.mark.parametrize(
    ("method", "request_", "resource"),
    [
        ("GetDataset", classifier_pb2.GetDatasetRequest(name="no"), "dataset"),
        ("DeleteDataset", classifier_pb2.DeleteDatasetRequest(name="no"), "dataset"),
        ("GetModel", classifier_pb2.GetModelRequest(name="no"), "model"),
        ("DeleteModel", classifier_pb2.DeleteModelRequest(name="no"), "model"),
        ("ListModelVersions", classifier_pb2.ListModelVersionsRequest(model="no"), "model"),
        ("GetModelVersion", classifier_pb2.GetModelVersionRequest(model="no"), "model"),
        ("GetModelVersion", classifier_pb2.GetModelVersionRequest(model="m", version=7), "version"),
        ("DeleteModelVersion", classifier_pb2.DeleteModelVersionRequest(model="m", version=7), "version"),
        ("SetDefaultVersion", classifier_pb2.SetDefaultVersionRequest(model="m", version=7), "version"),
    ],
)
async def test_what_is_not_there(stub, method: str, request_, resource: str) -> None:
    await train_anew(stub)
    details = await failure(getattr(stub, method)(request_))
    assert (details.code, details.reason) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")
    assert details.metadata["resource"] == resource


async def health_of(address: str, service: str, wanted: object) -> None:
    """Return once the service's health is as wanted."""
    async with channel(address) as connection:
        request = health_pb2.HealthCheckRequest(service=service)
        async for answer in health_pb2_grpc.HealthStub(connection).Watch(request, timeout=20):  # type: ignore[attr-defined]
            if answer.status == wanted:
                return


async def test_the_service_lives_without_a_featurizer_and_says_what_that_means(
    settings: ClassifierSettings, tmp_path: Path
) -> None:
    async with serving(FakeFeaturizer()) as away:
        pass
    async with running(settings.model_copy(update={"featurizer": away})) as address:
        for service in ("", "lastlayer.v1.Classifier"):
            await health_of(address, service, SERVING)
        await health_of(address, "lastlayer.v1.Classifier/features", NOT_SERVING)
        async with channel(address) as connection:
            stub = classifier_pb2_grpc.ClassifierStub(connection)
            assert not (await stub.ListModels(classifier_pb2.ListModelsRequest())).models
        async with serving(FakeFeaturizer(), away):
            await health_of(address, "lastlayer.v1.Classifier/features", SERVING)
        await health_of(address, "lastlayer.v1.Classifier/features", NOT_SERVING)


async def test_reflection_names_the_service(settings: ClassifierSettings) -> None:
    async with running(settings) as address, channel(address) as connection:
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(connection)  # type: ignore[arg-type]
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        [answer] = [answer async for answer in reflection.ServerReflectionInfo(iter([request]))]
    assert "lastlayer.v1.Classifier" in {service.name for service in answer.list_services_response.service}


async def test_a_store_that_cannot_be_opened_ends_the_start(settings: ClassifierSettings, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8" * 2000)
    wrong = settings.model_copy(update={"store_url": f"sqlite:///{tmp_path}/photo.jpg"})
    with pytest.raises(StoreOpenError, match=r"photo\.jpg` is damaged"):
        async with running(wrong):
            pass


@pytest.mark.parametrize("broken", ["is_serving", "renew_credentials", "close"])
async def test_the_store_is_closed_whatever_fails_of_the_featurizer(
    settings: ClassifierSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    failed = asyncio.Event()

    async def fail(*_: object) -> NoReturn:
        failed.set()
        raise RuntimeError("broken")

    monkeypatch.setattr(FeaturizerClient, broken, fail)
    with contextlib.suppress(RuntimeError):
        async with running(settings):
            assert (tmp_path / "store/x.db-wal").exists()
            if broken != "close":
                await failed.wait()
    assert failed.is_set()
    assert not (tmp_path / "store/x.db-wal").exists()  # the last connection removes it
