"""Images that are added to datasets and pools."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from lastlayer.client.api.connection import Connection
from lastlayer.client.errors import InvalidInputError
from lastlayer.client.transport.defaults import DEFAULT_MODEL, VIEWS
from lastlayer.client.transport.retry import Patience

if TYPE_CHECKING:
    from lastlayer.client.data.images import LabelledImage
    from lastlayer.client.data.labelled import Labelled, Unlabelled
    from lastlayer.client.results.examples import AddedExamples, ExampleOutcome, PooledImages
    from lastlayer.client.transport.adding.examples import ExampleUpload


class AddingMethods(Connection):
    """Images that are added to datasets and pools."""

    def add_examples(
        self,
        examples: "Labelled",
        *,
        dataset: str = DEFAULT_MODEL,
        thumbnails: bool = True,
        views: Sequence[str] = (),
        multi_label: bool = False,
        on_outcome: "Callable[[ExampleOutcome], None] | None" = None,
    ) -> "AddedExamples":
        """Add labelled images to a dataset, which is created if need be. Images that are there already are not sent.

        `thumbnails` is whether the server keeps small pictures of them, for reports. `views` are what of the images is
        featurized, so that training can choose: `crop` (the centre, which is all that a new dataset has where nothing
        is said), `whole`, and these mirrored, `crop-flipped` and `whole-flipped`. A dataset keeps those that it has;
        for a further one its images are sent again. With `multi_label` the dataset's images may have several labels, or
        none; a dataset that has examples with one label each stays as it is. `on_outcome` hears of each example as it
        becomes known, not in order.

        May be repeated without harm. An image that fails is among the `failed` of the answer, and one that keeps the
        label that `relabel_examples` gave it among the `relabelled`. Raises `InvalidInputError` for an unknown view,
        and `ServerError`, also where the store is full or damaged, or the featurizer is away.

        `examples` is the path of a folder, table or archive, as `read_data` takes it, or pairs of an image and its
        label, or its labels.

        >>> added = client.add_examples("photos", dataset="pets")
        >>> added.added, added.present
        (4, 0)
        """
        from lastlayer.client.data.labelled import to_examples

        known = to_examples(examples, multi_label=multi_label)
        upload = self._upload(known, dataset, thumbnails=thumbnails, views=views, multi_label=multi_label)
        return _count(upload.outcomes(), on_outcome)

    def add_to_pool(
        self,
        images: "Unlabelled",
        *,
        dataset: str = DEFAULT_MODEL,
        thumbnails: bool = True,
        views: Sequence[str] = (),
        on_outcome: "Callable[[ExampleOutcome], None] | None" = None,
    ) -> "PooledImages":
        """Add images without labels to the pool of a dataset, which is created if need be; see `next_examples`.

        Images that are there already are not sent, and those that have a label stay examples: their outcome has the
        label. `images` is the path of a folder, a zip archive or an image, or images as `predict` takes them, but no
        open files. All else is as for `add_examples`.

        May be repeated without harm. An image that fails is among the `failed` of the answer. Raises `DataError` where
        there are no images, `TypeError` where something is none, `InvalidInputError` for an unknown view, and
        `ServerError`.

        >>> pooled = client.add_to_pool(["new.jpg", "photos/dog/dog0.jpg"], dataset="pets")
        >>> pooled.added, pooled.labelled
        (1, 1)
        """
        from lastlayer.client.data.labelled import to_unlabelled
        from lastlayer.client.results.examples import PooledImages

        added = present = labelled = 0
        failed: list[ExampleOutcome] = []
        upload = self._upload(to_unlabelled(images), dataset, thumbnails=thumbnails, views=views, pool=True)
        for outcome in upload.outcomes():
            if outcome.status == "failed":
                failed.append(outcome)
            elif outcome.label:
                labelled += 1
            elif outcome.status == "added":
                added += 1
            else:
                present += 1
            if on_outcome is not None:
                on_outcome(outcome)
        return PooledImages(added, present, labelled, tuple(failed))

    def add_features(
        self,
        folder: str | os.PathLike[str],
        *,
        dataset: str = DEFAULT_MODEL,
        on_outcome: "Callable[[ExampleOutcome], None] | None" = None,
    ) -> "AddedExamples":
        """Add the labelled examples of a folder that `featurizer embed` or `export_dataset` wrote, with their vectors.

        `folder` is a path, or a URL that fsspec knows. The dataset is created if need be. The server keeps no pictures
        of these examples. `on_outcome` hears of each example. May be repeated without harm: vectors that are there
        already are not sent again. Rows without vectors or label are among the `failed` of the answer.

        Raises `DataError` where the folder is not whole, `InvalidInputError` where pyarrow is not installed, nothing
        has a label, or the vectors are not at all taps of the network, `FailedPreconditionError` where they are of
        another network than the dataset's, and `ServerError`.

        >>> exported = client.export_dataset("pets", "features")
        >>> added = client.add_features("features", dataset="copies")
        >>> added.added, added.present
        (0, 4)
        """
        from lastlayer.client.data.shards import Shards
        from lastlayer.client.transport.adding.features import FeatureUpload, batch_size

        shards = Shards(os.fspath(folder))
        upload = FeatureUpload(
            self._stub,
            shards.batches(batch_size(shards.manifest)),
            shards.manifest,
            dataset=dataset,
            patience=Patience(self.server, self._timeout_s),
        )
        return _count(upload.outcomes(), on_outcome)

    def _upload(
        self,
        images: "Iterable[LabelledImage]",
        dataset: str,
        *,
        thumbnails: bool,
        views: Sequence[str],
        pool: bool = False,
        multi_label: bool = False,
    ) -> "ExampleUpload":
        from lastlayer.client.transport.adding.examples import ExampleUpload

        if unknown := [view for view in views if view not in VIEWS]:
            raise InvalidInputError(f"There is no view `{unknown[0]}`; give some of {', '.join(VIEWS)}.")
        return ExampleUpload(
            self._stub,
            images,
            dataset=dataset,
            thumbnails=thumbnails,
            patience=Patience(self.server, self._timeout_s),
            views=views,
            pool=pool,
            multi_label=multi_label,
        )


def _count(
    outcomes: "Iterable[ExampleOutcome]", on_outcome: "Callable[[ExampleOutcome], None] | None"
) -> "AddedExamples":
    """Return what became of all examples; `on_outcome` hears of each."""
    from lastlayer.client.results.examples import AddedExamples

    counts = {"added": 0, "present": 0}
    trimmed = 0
    conflicts: list[ExampleOutcome] = []
    failed: list[ExampleOutcome] = []
    relabelled: list[ExampleOutcome] = []
    for outcome in outcomes:
        trimmed += outcome.label_trimmed
        if outcome.status in counts:
            counts[outcome.status] += 1
            if outcome.relabelled:
                relabelled.append(outcome)
        else:
            (conflicts if outcome.status == "conflict" else failed).append(outcome)
        if on_outcome is not None:
            on_outcome(outcome)
    return AddedExamples(
        counts["added"], counts["present"], trimmed, tuple(conflicts), tuple(failed), tuple(relabelled)
    )
