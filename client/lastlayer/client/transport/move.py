"""Moves a dataset to the network that is served now: sends again what has no features of it."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from lastlayer.client.data.images import LabelledImage
from lastlayer.client.data.search import ImageSearch, SoughtImage
from lastlayer.client.results.examples import ExampleOutcome, StoredExample
from lastlayer.client.transport.adding.examples import ExampleUpload
from lastlayer.client.transport.retry import Patience
from lastlayer.v1 import classifier_pb2_grpc


class Move:
    """One move: `run` asks for each image by its sha256 whether it is needed, and searches for those that are.

    A move that was interrupted is taken up where it ended by running another one.
    """

    def __init__(
        self, examples: Sequence[StoredExample], folders: Iterable[str | os.PathLike[str]], *, dataset: str
    ) -> None:
        """`examples` are all of the dataset and its pool. Raises `DataError` where a folder cannot be read."""
        self._examples = examples
        self._dataset = dataset
        search = ImageSearch(folders)
        self._images = [SoughtImage(search, example.sha256, example.id) for example in examples]
        self.sent = 0
        self.present = 0
        self.missing: list[StoredExample] = []
        self.failed: list[ExampleOutcome] = []

    def run(
        self,
        stub: "classifier_pb2_grpc.ClassifierStub",
        patience: Patience,
        on_outcome: Callable[[ExampleOutcome], None] | None = None,
    ) -> None:
        """Move the dataset; `on_outcome` hears of each image. Raises `ServerError`."""
        known = {example.sha256.hex(): index for index, example in enumerate(self._examples)}
        for pool in (False, True):
            # One label of each is enough, and no pictures: those that are kept stay.
            images = [
                LabelledImage(image, next(iter(example.labels), ""), name=example.sha256.hex(), sha256=example.sha256)
                for example, image in zip(self._examples, self._images, strict=True)
                if bool(example.labels) is not pool
            ]
            upload = ExampleUpload(stub, images, dataset=self._dataset, thumbnails=False, patience=patience, pool=pool)
            for outcome in upload.outcomes():
                self._count(known[outcome.image], outcome)
                if on_outcome is not None:
                    on_outcome(outcome)

    def _count(self, index: int, outcome: ExampleOutcome) -> None:
        if outcome.error is None:
            self.sent += self._images[index].sought
            self.present += not self._images[index].sought
        elif outcome.error.reason == "FILE_NOT_FOUND":
            self.missing.append(self._examples[index])
        else:
            self.failed.append(replace(outcome, image=self._examples[index].id or outcome.image))
