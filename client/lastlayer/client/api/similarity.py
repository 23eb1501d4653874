"""Which images of a dataset are alike."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import grpc

from lastlayer.client.api.connection import Connection
from lastlayer.client.api.examples import ExampleKey, selector
from lastlayer.client.data.images import ImageSource, name_of, read_image, wire_name
from lastlayer.client.errors import InvalidInputError, ServerError
from lastlayer.client.transport.defaults import TRAIN_TIMEOUT_S
from lastlayer.client.transport.messages.names import MAP_METHODS
from lastlayer.client.transport.messages.reading import read
from lastlayer.client.transport.retry import Patience
from lastlayer.v1 import classifier_pb2

if TYPE_CHECKING:
    from lastlayer.client.results.curation import ExampleMap, SimilarExamples
    from lastlayer.client.results.models import TrainProgress


class SimilarityMethods(Connection):
    """Which images of a dataset are alike."""

    def similar(
        self,
        dataset: str,
        image: "ImageSource | None" = None,
        *,
        example: ExampleKey | None = None,
        count: int = 20,
        label: str = "",
        pool: bool = False,
        thumbnails: bool = False,
    ) -> "SimilarExamples":
        """Return the images of a dataset whose features are nearest to those of an image, at most `count`.

        What they are compared with is an `image`, as `predict` takes it, or an `example` of the dataset, named as for
        `relabel_examples`, which is not among the results. Only images with a `label` where one is given; with `pool`
        those of the dataset's pool, too.

        Raises `TypeError` unless one of `image` and `example` is given, `ImageError` where the image cannot be read
        here, `InvalidInputError` where it is no image for the server, or the count is not from 1 to 1000,
        `NotFoundError` where there is no such dataset or example, `FailedPreconditionError` where the featurizer has
        another backbone than the dataset, and `ServerError`.

        >>> similar = client.similar("pets", "new.jpg", count=2)
        >>> [(found.example.id, found.distance) for found in similar.examples]
        [('cat/cat0.jpg', 0.0), ('cat/cat1.jpg', 0.125)]
        """
        from lastlayer.client.results.curation import SimilarExamples

        if (image is None) == (example is None):
            raise TypeError("Give an image, or an example of the dataset.")
        request = classifier_pb2.SimilarRequest(
            dataset=dataset, count=count, label=label, pool=pool, thumbnails=thumbnails
        )
        if count == 0:
            raise InvalidInputError("There are no 0 nearest images; give a count from 1 to 1000.")
        if image is not None:
            request.image.id, request.image.content = wire_name(name_of(image, 0)), read_image(image)
        elif example is not None:
            request.example.CopyFrom(selector(example))
        return read(SimilarExamples, self._call(self._stub.Similar, request))

    def map_examples(
        self,
        dataset: str,
        *,
        method: str = "auto",
        max_examples: int = 10_000,
        pool: bool = False,
        model: str = "",
        timeout_s: float = TRAIN_TIMEOUT_S,
        on_progress: "Callable[[TrainProgress], None] | None" = None,
    ) -> "ExampleMap":
        """Return the images of a dataset in two dimensions, so that those with similar features lie near each other.

        `method` is `pca` (quick, classes overlap), `neighbors` (classes come apart), or `auto` for `neighbors` where
        the server has its library. Of a dataset with more than `max_examples`, from 10 to 100000, a sample is laid out
        that is the same each time. With `pool` the images of the dataset's pool are on it, too. Labels that are
        suspicious to the default version of `model` are marked, where that was trained on this dataset. `timeout_s` is
        for the whole map, and `on_progress` hears how far it is.

        Raises `InvalidInputError` for an unknown method or a number out of bounds, `NotFoundError` where there is no
        such dataset or model, `FailedPreconditionError` where the server lacks the method's library, and `ServerError`.

        >>> found = client.map_examples("pets", model="pets")
        >>> [(point.labels, point.x, point.y) for point in found.points][:2]
        [(('cat',), -1.0, 0.5), (('cat',), -0.5, 0.5)]
        >>> found.method, found.example_count
        ('neighbors', 4)
        """
        from lastlayer.client.results.models import TrainProgress
        from lastlayer.client.transport.messages.maps import read_map

        if method not in MAP_METHODS:
            raise InvalidInputError(f"There is no method `{method}`; give one of {', '.join(MAP_METHODS)}.")
        request = classifier_pb2.MapExamplesRequest(
            dataset=dataset, method=MAP_METHODS[method], max_examples=max_examples, pool=pool, model=model
        )
        patience = Patience(self.server, timeout_s)
        while True:
            call = self._stub.MapExamples(request, timeout=patience.remaining_s)
            try:
                points: list[classifier_pb2.MapPoints] = []
                for event in call:
                    if event.HasField("points"):
                        points.append(event.points)
                    elif on_progress is not None:
                        on_progress(TrainProgress(event.progress.message, event.progress.fraction))
                if not points:
                    raise ServerError("The server ended the map without a point.", code="UNKNOWN")
                return read_map(points)
            except grpc.RpcError as error:
                patience.wait_after(error)
            finally:
                call.cancel()  # whatever ended the loop, nobody waits for this map any more
