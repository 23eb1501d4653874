"""Feature vectors of images from the running service: some messages at a time, results in order."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import grpc
import numpy as np

from lastlayer.client.data.images import ImageSource, name_of, read_image, wire_name
from lastlayer.client.errors import ImageError, ServerError
from lastlayer.client.results.images import Embeddings
from lastlayer.client.transport.batching import MAX_IN_FLIGHT, batches
from lastlayer.client.transport.messages.reading import image_error
from lastlayer.client.transport.retry import Patience
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, types_pb2

_Batch = list[tuple[int, bytes]]


class Embedding:
    """One run: `run` asks for the vectors of all images. Memory holds their vectors, and a few messages of images."""

    def __init__(
        self,
        stub: "classifier_pb2_grpc.ClassifierStub",
        images: Iterable[ImageSource],
        taps: Sequence[str],
        *,
        server: str,
        timeout_s: float,
    ) -> None:
        """`timeout_s` is for each message of images; `server` (`host:port`) is for messages of errors."""
        self._stub = stub
        self._images = images
        self._taps = list(taps)
        self._server = server
        self._timeout_s = timeout_s
        self._names: list[str] = []
        self._sha256: list[bytes] = []
        self._errors: dict[int, ImageError] = {}
        self._rows: dict[str, dict[int, bytes]] = {tap: {} for tap in self._taps}
        self._backbone = ("", "")

    def run(self) -> Embeddings:
        """Return the vectors; raises `ClientError`."""
        waiting: deque[tuple[_Batch, Future[classifier_pb2.EmbedImagesResponse]]] = deque()
        with ThreadPoolExecutor(MAX_IN_FLIGHT, thread_name_prefix="embed") as calls:
            for batch in batches(self._contents()):
                if len(waiting) == MAX_IN_FLIGHT:
                    self._take(*waiting.popleft())
                waiting.append((batch, calls.submit(self._ask, batch)))
            while waiting:
                self._take(*waiting.popleft())
        count = len(self._names)
        return Embeddings(
            images=tuple(self._names),
            vectors={tap: _matrix(rows, count) for tap, rows in self._rows.items()},
            errors=tuple(self._errors.get(index) for index in range(count)),
            sha256=tuple(self._sha256),
            backbone=self._backbone[0],
            backbone_digest=self._backbone[1],
        )

    def _contents(self) -> Iterator[tuple[int, bytes]]:
        for index, image in enumerate(self._images):
            self._names.append(name_of(image, index))
            try:
                content = read_image(image)
            except ImageError as error:
                self._errors[index] = error
                self._sha256.append(b"")
                continue
            self._sha256.append(hashlib.sha256(content).digest())
            yield index, content

    def _ask(self, batch: _Batch) -> classifier_pb2.EmbedImagesResponse:
        request = classifier_pb2.EmbedImagesRequest(
            images=[types_pb2.Image(id=wire_name(self._names[index]), content=content) for index, content in batch],
            taps=self._taps,
        )
        patience = Patience(self._server, self._timeout_s)
        while True:
            try:
                return self._stub.EmbedImages(request, timeout=patience.remaining_s)
            except grpc.RpcError as error:
                patience.wait_after(error)

    def _take(self, batch: _Batch, answer: "Future[classifier_pb2.EmbedImagesResponse]") -> None:
        response = answer.result()
        if len(response.results) != len(batch):
            raise ServerError(
                f"The server answered {len(response.results)} results for {len(batch)} images.", code="UNKNOWN"
            )
        known = (response.backbone, response.backbone_digest)
        if self._backbone not in (("", ""), known):
            raise ServerError("The server has begun to serve another network meanwhile; try again.", code="UNKNOWN")
        self._backbone = known
        for (index, _), result in zip(batch, response.results, strict=True):
            if result.HasField("error"):
                self._errors[index] = image_error(result.error)
                continue
            for vector in result.vectors:
                self._rows.setdefault(vector.tap, {})[index] = vector.values


def _matrix(rows: dict[int, bytes], count: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """Return the vectors of `count` images, float32 [count, d], NaN where there are none; raises `ServerError`."""
    sizes = {len(values) for values in rows.values()}
    if len(sizes) > 1 or any(size % 4 for size in sizes):
        raise ServerError("The server sent vectors of different lengths at one tap.", code="UNKNOWN")
    matrix = np.full((count, (sizes.pop() if sizes else 0) // 4), np.nan, np.float32)
    for index, values in rows.items():
        matrix[index] = np.frombuffer(values, "<f4")
    return matrix
