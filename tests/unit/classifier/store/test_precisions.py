"""In which precisions a dataset's features are, and what earlier releases stored under a digest for each of them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from lastlayer.classifier.domain.types import Backbone, NewExample, Tap
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.images.examples import ExampleStore, Selector
from lastlayer.classifier.store.models import ModelStore, NewVersion
from lastlayer.classifier.store.schema import feature_precisions

TAPS = (Tap("conv", False, 2), Tap("scores", True, 3))
HALF, QUARTER = "b" * 64, "c" * 64
FULL = Backbone("tiny", "a" * 64, TAPS, {HALF: "bfloat16", QUARTER: "float16"})


def before(digest: str) -> Backbone:
    """The backbone as an earlier release knew it."""
    return Backbone("tiny", digest, TAPS)


def example(number: int, precision: str = "", label: str = "x", value: float | None = None) -> NewExample:
    vectors = {tap.name: np.full(tap.dimension, number if value is None else value, np.float32) for tap in TAPS}
    return NewExample(f"{number}.jpg", bytes([number]) * 32, label, vectors, precision=precision)


def values(datasets: DatasetStore, name: str) -> list[list[float]]:
    return [row.tolist() for row in datasets.training_set(name).features["conv"]]


def counts(datasets: DatasetStore, name: str = "d") -> Mapping[str, int]:
    found = datasets.get(name)
    assert found.stale_count == 0
    return found.precisions


def test_the_precision_of_each_image_is_remembered(datasets: DatasetStore) -> None:
    datasets.add("d", FULL, [example(1, "int8"), example(2, "bfloat16"), example(3, "int8", "y")])
    assert list(counts(datasets).items()) == [("int8", 2), ("bfloat16", 1)]
    # What is stored already stays as it is, whatever computed it this time, and an image counts once.
    datasets.add("d", FULL, [example(2, "float32", "y"), example(1, "float32", value=9.0)])
    assert counts(datasets) == {"int8": 2, "bfloat16": 1}
    assert values(datasets, "d") == [[1, 1], [3, 3]]
    # Features are shared, and so is what is known of them.
    datasets.add("e", FULL, [NewExample("1.jpg", bytes([1]) * 32, "x", None)])
    assert counts(datasets, "e") == {"int8": 1}


def test_a_precision_is_forgotten_with_the_features(database: Database, datasets: DatasetStore) -> None:
    datasets.add("d", FULL, [example(1, "int8"), example(2, "int8"), example(3, "int8")])
    datasets.add("e", FULL, [example(3, "float32")])
    ExampleStore(database).remove("d", [Selector(prefix=bytes([1]) * 32)])
    assert counts(datasets) == {"int8": 2}
    datasets.delete("d")
    assert counts(datasets, "e") == {"int8": 1}
    datasets.add("e", FULL, [example(1, "float32")])
    assert counts(datasets, "e") == {"int8": 1, "float32": 1}
    with database.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(feature_precisions)) == 2


def test_a_store_without_precisions_is_known_to_be_in_float32(tmp_path: Path) -> None:
    """A digest without a precision meant float32; until the backbone is served, nobody knows that it is one."""
    url = f"sqlite:///{tmp_path}/store.db"
    older = Database(url)
    DatasetStore(older).add("d", before(FULL.digest), [example(1), example(2)])
    with older.writing() as connection:
        connection.execute(sa.text("ALTER TABLE backbones DROP COLUMN precision"))
        connection.execute(sa.text("ALTER TABLE datasets DROP COLUMN views"))
        connection.execute(sa.text("ALTER TABLE datasets DROP COLUMN multi_label"))
        connection.execute(sa.text("DROP INDEX examples_by_arrival"))
        connection.execute(sa.text("ALTER TABLE versions DROP COLUMN drift_reference"))
        connection.execute(sa.text("DROP TABLE pool"))
        connection.execute(sa.text("DROP TABLE feature_precisions"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0006'"))
    older.close()
    migrated = Database(url)
    datasets = DatasetStore(migrated)
    assert counts(datasets) == {"": 2}
    datasets.adopt(FULL)
    datasets.add("d", FULL, [example(3, "int8")])
    assert counts(datasets) == {"float32": 2, "int8": 1}
    migrated.close()


def test_what_was_stored_under_a_former_digest_becomes_the_backbones(
    database: Database, datasets: DatasetStore
) -> None:
    datasets.add("d", before(HALF), [example(1), example(2)])
    models = ModelStore(database)
    models.add(NewVersion("m", "d", "tiny", HALF, ["x"], b"description", b"head"))
    datasets.adopt(FULL)
    datasets.adopt(FULL)  # changes nothing more
    assert datasets.find_featurized(FULL, [bytes([1]) * 32, bytes([3]) * 32]) == {bytes([1]) * 32}
    backbone = datasets.get("d").backbone
    assert backbone is not None
    assert backbone.digest == FULL.digest
    assert models.resolve("m", 0).backbone_digest == FULL.digest
    datasets.add("d", FULL, [example(3, "int8")])
    assert counts(datasets) == {"bfloat16": 2, "int8": 1}
    assert values(datasets, "d") == [[1, 1], [2, 2], [3, 3]]


def test_features_of_several_digests_are_put_together(database: Database, datasets: DatasetStore) -> None:
    """A dataset that could not be trained on, as its images were featurized in several precisions, can be."""
    datasets.add("d", before(FULL.digest), [example(1), example(2)])
    datasets.add("d", before(HALF), [example(2, value=2.5), example(3)])
    # A featurizer of the earlier release beside a classifier of this one.
    datasets.add("d", before(QUARTER), [example(4, "float16"), example(3, "float16", value=3.5), example(1, value=1.5)])
    assert datasets.get("d").stale_count == 1
    models = ModelStore(database)
    for name, digest in (("full", FULL.digest), ("half", HALF), ("quarter", QUARTER), ("other", "f" * 64)):
        models.add(NewVersion(name, "d", "tiny", digest, ["x"], b"description", b"head"))

    datasets.adopt(FULL)

    assert values(datasets, "d") == [[1, 1], [2, 2], [3, 3], [4, 4]]
    assert counts(datasets) == {"float32": 2, "bfloat16": 1, "float16": 1}
    digests = [models.resolve(name, 0).backbone_digest for name in ("full", "half", "quarter", "other")]
    assert digests == [FULL.digest] * 3 + ["f" * 64]
