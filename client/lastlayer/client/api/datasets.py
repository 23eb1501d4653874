"""Datasets as wholes."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from lastlayer.client.api.connection import PAGE_SIZE
from lastlayer.client.api.examples import ExampleMethods
from lastlayer.client.errors import InvalidInputError, ServerError
from lastlayer.client.transport.messages.reading import read
from lastlayer.client.transport.retry import Patience
from lastlayer.v1 import classifier_pb2, types_pb2

if TYPE_CHECKING:
    from lastlayer.client.results.datasets import Dataset, ExportedDataset, MovedDataset
    from lastlayer.client.results.examples import ExampleOutcome


class DatasetMethods(ExampleMethods):
    """Datasets as wholes."""

    def list_datasets(self) -> "Iterator[Dataset]":
        """Yield the datasets by name. Raises `ServerError`.

        >>> [dataset.name for dataset in client.list_datasets()]
        ['default', 'pets']
        """
        from lastlayer.client.results.datasets import Dataset

        for page in self._pages(self._stub.ListDatasets, classifier_pb2.ListDatasetsRequest(page_size=PAGE_SIZE)):
            yield from (read(Dataset, entry) for entry in page.datasets)

    def get_dataset(self, name: str) -> "Dataset":
        """Return one dataset. Raises `NotFoundError` where there is none of this name, and `ServerError`.

        >>> client.get_dataset("pets").classes
        {'cat': 3}
        """
        from lastlayer.client.results.datasets import Dataset

        return read(Dataset, self._call(self._stub.GetDataset, classifier_pb2.GetDatasetRequest(name=name)))

    def delete_dataset(self, name: str) -> None:
        """Delete a dataset with its examples; models that were trained on it stay.

        Raises `NotFoundError` where there is none of this name, and `ServerError`; the call is not repeated.

        >>> client.delete_dataset("pets")
        """
        self._call(self._stub.DeleteDataset, classifier_pb2.DeleteDatasetRequest(name=name), repeat=False)

    def move_dataset(
        self,
        dataset: str,
        folders: Iterable[str | os.PathLike[str]],
        *,
        on_outcome: "Callable[[ExampleOutcome], None] | None" = None,
    ) -> "MovedDataset":
        """Send again the images of a dataset that lack features of the network that is served now.

        They are searched for in `folders`, and those within them, by the sha256 of their files, whatever they are
        called now; those of its pool, too, unless they were captured. `on_outcome` hears of each image. Labels stay.
        Where examples are `missing`, the dataset cannot be trained on until they are sent or removed. May be repeated
        without harm: what is done already is not sent again. Raises `NotFoundError` where there is no such dataset,
        `DataError` where a folder is not there or cannot be read, and `ServerError`, also where the store is full or
        damaged, or the featurizer is away.

        >>> moved = client.move_dataset("pets", ["photos"])
        >>> moved.present, moved.sent, moved.missing
        (4, 0, ())
        """
        from lastlayer.client.results.datasets import MovedDataset
        from lastlayer.client.transport.move import Move

        # What was captured is in no folder.
        waiting = (image for image in self.list_examples(dataset, pool=True) if image.source != "captured")
        move = Move((*self.list_examples(dataset), *waiting), folders, dataset=dataset)
        move.run(self._stub, Patience(self.server, self._timeout_s), on_outcome)
        known = self.get_dataset(dataset)
        return MovedDataset(known, move.sent, move.present, tuple(move.missing), tuple(move.failed))

    def export_dataset(
        self,
        dataset: str,
        folder: str | os.PathLike[str],
        *,
        on_rows: Callable[[int], None] | None = None,
    ) -> "ExportedDataset":
        """Write a dataset's ids, labels and vectors to a new folder, as the Parquet shards that `add_features` takes.

        `folder` is a path, or a URL that fsspec knows. Images with several labels have a row for each. Rows of images
        that have no vectors of the dataset's network say so in their column `error`. `on_rows` hears how many rows were
        fetched, again and again.

        Raises `NotFoundError` where there is no such dataset, `InvalidInputError` where the folder has shards already
        or cannot be written, the dataset is empty, or pyarrow is not installed, and `ServerError`.

        >>> client.export_dataset("pets", "features").rows
        4
        """
        from lastlayer.client.export.shards import ShardWriter
        from lastlayer.client.results.datasets import ExportedDataset
        from lastlayer.client.transport.adding.features import read_page

        writer: ShardWriter | None = None
        backbone: types_pb2.Backbone | None = None
        rows = stale = 0
        multi_label = False
        request = classifier_pb2.ListFeaturesRequest(dataset=dataset, page_size=PAGE_SIZE)
        for page in self._pages(self._stub.ListFeatures, request):
            if not page.examples:
                break
            if backbone is None or writer is None:
                backbone, writer = page.backbone, ShardWriter(os.fspath(folder))
            elif page.backbone.digest != backbone.digest:
                raise ServerError("The dataset got another network meanwhile; export it again.", code="ABORTED")
            multi_label = page.multi_label
            batch, precisions = read_page(page)
            writer.add(batch, precisions)
            rows += len(batch.rows)
            stale += sum(bool(row.error) for row in batch.rows)
            if on_rows is not None:
                on_rows(len(batch.rows))
        if backbone is None or writer is None:
            raise InvalidInputError(f"The dataset `{dataset}` has no examples to export.")
        dimensions = {tap.name: tap.dimension for tap in backbone.taps}
        shards = writer.finish(backbone.name, backbone.digest, dimensions, multi_label=multi_label)
        return ExportedDataset(dataset, os.fspath(folder), rows, stale, shards)
