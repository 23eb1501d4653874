"""Versions of models in a real SQLite database: their numbers, the default, and what deleting leaves."""

import pytest

from lastlayer.classifier.domain.errors import (
    RequestIdReusedError,
    VersionInUseError,
)
from lastlayer.classifier.domain.types import Backbone, Tap
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.models import ModelStore
from lastlayer.rpc.errors import ResourceNotFoundError
from tests.unit.classifier.store.entries import BACKBONE, example, version


def test_versions_are_numbered_and_the_newest_is_the_default(models: ModelStore) -> None:
    assert [models.add(version()).version for _ in range(3)] == [1, 2, 3]
    assert (models.get("m").default_version, models.get("m").version_count) == (3, 3)
    assert models.set_default("m", 1).default_version == 1
    assert models.get_version("m", 0).version == 1
    assert [entry.version for entry in models.page_versions("m", 3, 10)] == [2, 1]


def test_all_versions_are_listed_by_the_names_of_their_models(models: ModelStore) -> None:
    for name in ("n", "m", "m"):
        models.add(version(model=name))
    models.set_default("m", 1)
    assert models.index() == [("m", 1, True), ("m", 2, False), ("n", 1, True)]
    assert models.index("n") == [("n", 1, True)]
    with pytest.raises(ResourceNotFoundError, match="There are: m, n"):
        models.index("k")


def test_numbers_of_deleted_versions_are_not_given_again(models: ModelStore) -> None:
    for _ in range(2):
        models.add(version())
    with pytest.raises(VersionInUseError, match="Version 2 is the default"):
        models.delete_version("m", 2)
    models.set_default("m", 1)
    models.delete_version("m", 2)
    assert models.add(version()).version == 3
    with pytest.raises(ResourceNotFoundError, match=r"There is no version `m:2`. The newest are 3, 1\."):
        models.get_version("m", 2)


def test_the_last_version_takes_its_model_with_it_and_keys_are_never_used_again(models: ModelStore) -> None:
    before = models.add(version())
    models.delete_version("m", 1)
    assert models.page("", 10) == []
    after = models.add(version())
    assert (after.version, after.key > before.key) == (1, True)
    with pytest.raises(ResourceNotFoundError):
        models.head(before.key)


def test_a_request_makes_one_version(models: ModelStore) -> None:
    made = models.add(version(request_id="r"))
    assert models.find_request("r", b"1" * 32) == made
    assert models.add(version(request_id="r")) == made
    assert models.find_request("s", b"1" * 32) is None
    with pytest.raises(RequestIdReusedError, match="The request id `r` was used before with another request"):
        models.find_request("r", b"2" * 32)


def test_the_dimensions_of_taps_are_known_also_of_those_that_a_network_got_later(
    datasets: DatasetStore, models: ModelStore
) -> None:
    grown = Backbone("tiny", BACKBONE.digest, (Tap("early", False, 4), *BACKBONE.taps))
    datasets.add("d", BACKBONE, [example(1, "x")])
    datasets.add("d", grown, [example(2, "x", backbone=grown)])
    assert models.tap_dimensions(models.add(version()), ["early", "scores"]) == [4, 3]
