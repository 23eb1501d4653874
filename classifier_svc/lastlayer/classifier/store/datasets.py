"""Keeps datasets: examples with their labels, and the features of their images, shared by all datasets."""

import datetime
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lastlayer.classifier.domain.arrays import Indices
from lastlayer.classifier.domain.errors import DatasetNotTrainableError, StoreCorruptError, one_label_error
from lastlayer.classifier.domain.types import (
    AddedExample,
    Backbone,
    Dataset,
    FeaturePage,
    LabelledImages,
    NewExample,
    PoolSource,
    Tap,
    TapExamples,
    TrainingSet,
)
from lastlayer.classifier.domain.views import mean_over, places
from lastlayer.classifier.store import queries
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.images import pool
from lastlayer.classifier.store.images.labelled import (
    add_examples,
    add_label_sets,
    nothing_trainable_error,
    read_training_labels,
)
from lastlayer.classifier.store.images.shared import add_images, add_thumbnails
from lastlayer.classifier.store.schema import (
    backbones,
    datasets,
    examples,
)
from lastlayer.classifier.store.vectors import feature_rows, former_digests
from lastlayer.rpc.vectors import CROP_ALONE, View, place


class DatasetStore:
    """The datasets of a database. Its methods block: they are for threads, not for the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_featurized(
        self, backbone: Backbone, contents: Collection[bytes], views: Sequence[View] = CROP_ALONE
    ) -> set[bytes]:
        """Return those of the images, by sha256, whose features of some views at all taps of a backbone are stored."""
        with self._database.reading() as connection:
            return queries.find_featurized(connection, backbone.digest, contents, places(backbone.tap_names, views))

    def find_views(self, name: str) -> tuple[tuple[View, ...], Mapping[str, int]]:
        """Return of which views a dataset has features, and how many labels of each kind it has.

        The label of images of its pool is empty.

        There are no views where nobody has said any, or where there is no such dataset. Labels are counted only then.
        """
        with self._database.reading() as connection:
            row = connection.execute(sa.select(datasets).where(datasets.c.name == name)).one_or_none()
            if row is None:
                return (), {}
            if row.views:
                return queries.read_views(row), {}
            counts = sa.select(examples.c.label, sa.func.count().label("examples")).where(
                examples.c.dataset_id == row.id
            )
            labels = {row.label: row.examples for row in connection.execute(counts.group_by(examples.c.label))}
            waiting = queries.count_pool(connection, row.id)
            return (), {**labels, **({"": waiting} if waiting else {})}

    def is_multi_label(self, name: str) -> bool | None:
        """Return whether a dataset is multi-label; None where there is none, or none with examples."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(datasets).where(datasets.c.name == name)).one_or_none()
            if row is None:
                return None
            if row.multi_label:
                return True
            known = connection.scalars(sa.select(examples.c.id).where(examples.c.dataset_id == row.id).limit(1))
            return False if known.first() is not None else None

    def find_backbones(self, dataset: str, digest: str) -> tuple[Backbone | None, Backbone | None]:
        """Return the backbone of a dataset, and the stored one with a digest; None for what there is not."""
        with self._database.reading() as connection:
            of_dataset = connection.scalar(sa.select(datasets.c.backbone_id).where(datasets.c.name == dataset))
            of_digest = connection.scalar(sa.select(backbones.c.id).where(backbones.c.digest == digest))
            return (
                None if of_dataset is None else queries.find_backbone(connection, of_dataset),
                None if of_digest is None else queries.find_backbone(connection, of_digest),
            )

    def adopt(self, backbone: Backbone) -> None:
        """Make what earlier releases stored under the former digests of a backbone its own."""
        with self._database.reading() as connection:
            if not former_digests.is_needed(connection, backbone):
                return
        with self._database.writing() as connection:
            queries.keep_features(self._database, connection, shared=False)
            former_digests.adopt(connection, backbone)

    def add(
        self,
        dataset: str,
        backbone: Backbone,
        new: Sequence[NewExample],
        views: Sequence[View] = CROP_ALONE,
        *,
        stated: Sequence[View] = (),
        multi_label: bool = False,
    ) -> list[AddedExample | None]:
        """Store examples, all or none, and return what became of each; they are on disk when this returns.

        None stands for an example that is not stored, as it came without features and they are not stored (any more),
        or not of all `views`. The dataset gets those of the `stated` views that it has not. Images of its pool become
        examples. A new one, or one without examples, is `multi_label`; raises InvalidFieldError where one with examples
        is not.
        """
        with self._database.writing() as connection:
            now = datetime.datetime.now(datetime.UTC)
            backbone_id, found = add_images(self._database, connection, backbone, new, views)
            dataset_id = self._dataset_id(connection, dataset, now, stated)
            many = self._is_multi_label(connection, dataset_id, wanted=multi_label)
            add_thumbnails(self._database, connection, dataset_id, new, found)
            add = add_label_sets if many else add_examples
            outcomes = add(connection, dataset_id, new, found)
            pool.take_out(connection, dataset_id, found)
            values = {
                **({"backbone_id": backbone_id} if any(outcome is not None for outcome in outcomes) else {}),
                **({"update_time": now} if any(outcome is not None and outcome.is_new for outcome in outcomes) else {}),
            }
            if values:
                connection.execute(sa.update(datasets).where(datasets.c.id == dataset_id).values(values))
            return outcomes

    def add_to_pool(
        self,
        dataset: str,
        backbone: Backbone,
        new: Sequence[NewExample],
        views: Sequence[View] = CROP_ALONE,
        *,
        stated: Sequence[View] = (),
        source: PoolSource = PoolSource.ADDED,
    ) -> list[AddedExample | None]:
        """Store images in the pool of a dataset, all or none, as `add` stores examples, whose labels are empty here.

        Examples stay examples. Captured images go into a dataset that is there, or this raises ResourceNotFoundError;
        one that somebody adds later is not captured any more. The dataset's backbone is the newest image's only where
        it has no examples: what waits for a label does not keep a dataset from being trained on.
        """
        with self._database.writing() as connection:
            now = datetime.datetime.now(datetime.UTC)
            if source is PoolSource.CAPTURED:
                queries.find(connection, dataset)
            backbone_id, found = add_images(self._database, connection, backbone, new, views)
            dataset_id = self._dataset_id(connection, dataset, now, stated)
            add_thumbnails(self._database, connection, dataset_id, new, found)
            outcomes = pool.add(connection, dataset_id, new, found, source, now)
            values: dict[str, Any] = {}
            if any(outcome is not None for outcome in outcomes) and not queries.has_examples(connection, dataset_id):
                values["backbone_id"] = backbone_id
            if any(outcome is not None and outcome.is_new for outcome in outcomes):
                values["update_time"] = now
            if values:
                connection.execute(sa.update(datasets).where(datasets.c.id == dataset_id).values(values))
            return outcomes

    @staticmethod
    def _is_multi_label(connection: Connection, dataset_id: int, *, wanted: bool) -> bool:
        """Return whether a dataset is multi-label, which one without examples becomes where that is `wanted`."""
        row = connection.execute(sa.select(datasets).where(datasets.c.id == dataset_id)).one()
        if row.multi_label or not wanted:
            return bool(row.multi_label)
        if connection.scalars(sa.select(examples.c.id).where(examples.c.dataset_id == dataset_id).limit(1)).first():
            raise one_label_error(row.name)
        connection.execute(sa.update(datasets).where(datasets.c.id == dataset_id).values(multi_label=True))
        return True

    def _dataset_id(self, connection: Connection, name: str, now: datetime.datetime, stated: Sequence[View]) -> int:
        """Return the key of a dataset, which is created if need be, and which others cannot add to meanwhile.

        It gets the `stated` views beside its own; one that has examples has at least the crop.
        """
        self._database.insert_new(connection, datasets, [{"name": name, "create_time": now, "update_time": now}])
        row = connection.execute(sa.select(datasets).where(datasets.c.name == name).with_for_update()).one()
        own = queries.read_views(row) if row.views or row.backbone_id is not None else ()
        if stated and not (row.views and {*stated} <= {*own}):
            labels = ",".join(view.label for view in sorted({*own, *stated}))
            connection.execute(sa.update(datasets).where(datasets.c.id == row.id).values(views=labels))
        key: int = row.id
        return key

    def get(self, name: str) -> Dataset:
        """Return a dataset; raises ResourceNotFoundError."""
        with self._database.reading() as connection:
            return queries.describe(connection, queries.find(connection, name))

    def page(self, after: str, limit: int) -> list[Dataset]:
        """Return the datasets by name, those after the name `after`, at most `limit`."""
        query = sa.select(datasets).where(datasets.c.name > after).order_by(datasets.c.name).limit(limit)
        with self._database.reading() as connection:
            return [queries.describe(connection, row) for row in connection.execute(query).all()]

    def feature_page(self, name: str, *, after: int, limit: int, max_bytes: int) -> FeaturePage:
        """Return labels of a dataset in order of arrival, those after the key `after`, with their images' features.

        They are at most `limit`, and their vectors have at most `max_bytes`, but for a first one that has more. Raises
        ResourceNotFoundError or StoreCorruptError.
        """
        with self._database.reading() as connection:
            dataset = queries.find(connection, name)
            if dataset.backbone_id is None:
                return FeaturePage(None, [], {}, more=False)
            backbone = queries.find_backbone(connection, dataset.backbone_id)
            size = 4 * sum(tap.dimension for tap in backbone.taps)
            limit = max(1, min(limit, max_bytes // size))
            labels = feature_rows.read_labels(connection, dataset, backbone, after, limit + 1)
            page = labels[:limit]
            contents = [label.content_sha256 for label in page if not label.stale]
            vectors = {tap.name: feature_rows.read_tap(connection, dataset, tap, contents) for tap in backbone.taps}
            return FeaturePage(backbone, page, vectors, more=len(labels) > limit, multi_label=bool(dataset.multi_label))

    def delete(self, name: str) -> None:
        """Delete a dataset, and the features that only it refers to; raises ResourceNotFoundError."""
        with self._database.deleting() as connection:
            queries.keep_features(self._database, connection, shared=False)
            key = queries.find(connection, name).id
            queries.drop_all_images(connection, key)
            connection.execute(sa.delete(datasets).where(datasets.c.id == key))

    def tap_blocks(
        self, name: str, digest: str, tap: str, size: int, views: Sequence[View] = CROP_ALONE
    ) -> Generator[TapExamples, None, None]:
        """Yield the examples that training uses, `size` at a time, with their features at one tap of a backbone: the
        means over some views.

        All blocks are of one state of the store. There are none where there is no such dataset, or where its features
        are of another backbone. Images without features are left out. Raises StoreCorruptError.
        """
        with self._database.reading() as connection:
            dataset = connection.execute(sa.select(datasets).where(datasets.c.name == name)).one_or_none()
            if dataset is None or dataset.backbone_id is None:
                return
            backbone = queries.find_backbone(connection, dataset.backbone_id)
            read = next((known for known in backbone.taps if known.name == tap), None)
            if backbone.digest != digest or read is None:
                return
            labelled = [*read_training_labels(connection, dataset)[0].items()]
            for start in range(0, len(labelled), size):
                labels = dict(labelled[start : start + size])
                asked = places([tap], views) if read.added_later or tuple(views) != CROP_ALONE else ()
                known = queries.find_featurized(connection, digest, labels, asked)
                contents = [content for content in labels if content in known]
                names = feature_rows.read_names(connection, dataset, contents)
                vectors = {
                    place(tap, view): feature_rows.read_tap(connection, dataset, read, contents, view=view)
                    for view in views
                }
                yield TapExamples(
                    contents,
                    [names[content] for content in contents],
                    [labels[content] for content in contents],
                    mean_over(vectors, tap, views),
                    feature_rows.read_hashes(connection, contents),
                )

    def training_set(
        self,
        name: str,
        needed: Callable[[Backbone, int], Collection[str]] = lambda backbone, _: backbone.tap_names,
        pulse: Callable[[], None] = lambda: None,
        sample: Callable[[Sequence[str], int], Indices | None] = lambda _, __: None,
    ) -> TrainingSet:
        """Return what training uses of a dataset: the images with exactly one label, in order of arrival.

        `needed` says which taps are read, by the backbone with the taps at which all examples have features, and the
        number of examples. They are read of all views of the dataset of which all examples have features. `pulse` is
        called at every step and may raise to end the work. `sample` says which examples are read, by the labels of all
        and the number of elements that each has in all; None for all. Raises ResourceNotFoundError,
        DatasetNotTrainableError where there is nothing, BackboneMismatchError where images were featurized by another
        backbone than the newest ones, or StoreCorruptError.
        """
        with self._database.reading() as connection:
            dataset = queries.find(connection, name)
            if dataset.backbone_id is None:
                raise DatasetNotTrainableError(f"The dataset `{name}` has no examples.")
            backbone = queries.find_backbone(connection, dataset.backbone_id)
            labels, label_sets = read_training_labels(connection, dataset)
            contents = [*labels]
            if not contents:
                raise nothing_trainable_error(connection, dataset)
            pulse()
            feature_rows.check_featurized(connection, dataset, backbone, contents)
            views, lacking_views, lacking = feature_rows.find_complete(connection, dataset, backbone, len(contents))
            complete = replace(backbone, taps=tuple(tap for tap in backbone.taps if tap.name not in lacking))
            names = needed(complete, len(contents))
            taps = [tap for tap in complete.taps if tap.name in names]
            everything = LabelledImages(contents, [*labels.values()])
            rows = sample(everything.labels, len(views) * sum(tap.dimension for tap in taps))
            read = everything
            if rows is not None:
                read = LabelledImages([contents[row] for row in rows], [everything.labels[row] for row in rows])
            arrays = {
                place(tap.name, view): feature_rows.read_tap(connection, dataset, tap, read.contents, pulse, view)
                for view in views
                for tap in taps
            }
            found = TrainingSet(
                backbone,
                read.contents,
                read.labels,
                arrays,
                lacking,
                views=views,
                lacking_views=lacking_views,
                label_sets=label_sets,
            )
            if rows is not None:
                return replace(found, everything=everything, rows=rows)
            if not dataset.views:
                others = feature_rows.read_sample(connection, dataset, complete, read.contents, read.labels)
                found = replace(found, sample=others)
            return found

    def iterate_features(
        self, name: str, tap: str, view: View, contents: Sequence[bytes], pulse: Callable[[], None] = lambda: None
    ) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the features of images of a dataset, by sha256, at one tap of one view, some at a time: float32 [k, d].

        `pulse` is called at every step and may raise to end the work. Raises ResourceNotFoundError where the dataset
        was deleted, DatasetNotTrainableError where images are not in it any more, StoreCorruptError where features
        are missing or damaged.
        """
        with self._database.reading() as connection:
            dataset = queries.find(connection, name)
            try:
                [found] = [known for known in self._taps(connection, dataset) if known.name == tap]
                yield from feature_rows.iterate_tap(connection, dataset, found, contents, pulse, view)
            except (StoreCorruptError, ValueError) as error:
                kept = connection.execute(queries.select_unambiguous(dataset.id)).all()
                if set(contents) <= {row.content_sha256 for row in kept}:
                    raise
                raise DatasetNotTrainableError(
                    f"Images of the dataset `{name}` were removed while it was trained on; train again."
                ) from error

    @staticmethod
    def _taps(connection: Connection, dataset: Any) -> Sequence[Tap]:
        if dataset.backbone_id is None:
            return ()
        return queries.find_backbone(connection, dataset.backbone_id).taps
