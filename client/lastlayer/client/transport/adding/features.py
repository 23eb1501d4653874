"""Adds examples that bring their features, and reads them back."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from lastlayer.client.data.images import wire_name
from lastlayer.client.data.shards import Batch, Manifest, Row
from lastlayer.client.errors import ImageError, InvalidInputError, ServerError
from lastlayer.client.results.examples import ExampleOutcome
from lastlayer.client.transport.adding.ahead import read_ahead
from lastlayer.client.transport.adding.exchange import Exchange
from lastlayer.client.transport.messages.examples import read_outcome
from lastlayer.client.transport.retry import Patience
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc

_MAX_ROWS: Final = 2000
"""The most examples in a message."""

_VECTOR_BYTES: Final = 4 * 1024 * 1024
"""The most bytes of vectors in a message of several examples. Services accept more; but reading, sending, checking and
storing go on at the same time, each with a message of its own, and the smaller they are the sooner all are at work."""


def batch_size(manifest: Manifest) -> int:
    """Return how many examples go into a message at most."""
    size = 4 * sum(manifest.dimensions)
    return max(1, min(_MAX_ROWS, _VECTOR_BYTES // max(size, 1)))


@dataclass(frozen=True)
class _Sent:
    batch: Batch
    with_features: bool


class FeatureUpload(Exchange[classifier_pb2.AddFeaturesRequest, classifier_pb2.AddFeaturesResponse, _Sent]):
    """One upload of examples with their features.

    Vectors are sent without asking for them where the server has lately had none of those that it was asked for.
    """

    def __init__(
        self,
        stub: "classifier_pb2_grpc.ClassifierStub",
        batches: Iterable[Batch],
        manifest: Manifest,
        *,
        dataset: str,
        patience: Patience,
    ) -> None:
        """`patience` bounds how long the server may answer nothing."""
        super().__init__(stub.AddFeatures, patience)
        self._manifest = manifest
        self._dataset = dataset
        # Reading a shard keeps a processor busy for as long as the server needs to store it.
        self._batches = read_ahead(batches)
        self._again: deque[Batch] = deque()  # sent on a stream that broke, and unanswered
        self._needed: deque[Batch] = deque()  # the server asked for their vectors
        self._ask = True
        self._answered = False  # by this stream

    def _take_back(self, sent: _Sent) -> None:
        self._again.append(sent.batch)
        self._ask = True
        self._answered = False

    def _read(self, sent: _Sent, response: classifier_pb2.AddFeaturesResponse) -> Iterator[ExampleOutcome]:
        rows = sent.batch.rows
        if len(response.outcomes) != len(rows):
            raise ServerError(
                f"The server answered {len(response.outcomes)} outcomes for {len(rows)} examples.", code="UNKNOWN"
            )
        needed = []
        for index, (row, outcome) in enumerate(zip(rows, response.outcomes, strict=True)):
            if outcome.HasField("content_needed"):
                needed.append(index)
            else:
                yield read_outcome(row.id, outcome)
        if needed and sent.with_features:
            raise ServerError("The server asked for features that it had just been sent.", code="UNKNOWN")
        if needed:
            self._needed.append(_select(sent.batch, needed))
        if not sent.with_features:
            self._ask = len(needed) < len(rows)
        self._answered = True

    def _next_request(self) -> classifier_pb2.AddFeaturesRequest | None:
        if self._in_flight and not self._answered:
            return None  # the first answer says whether the others are asked for: it comes before they are read
        with_features = bool(self._needed)
        if with_features:
            batch = self._needed.popleft()
        else:
            found = self._again.popleft() if self._again else self._next_batch()
            if found is None:
                return None
            batch, with_features = found, not self._ask
        self._in_flight.append(_Sent(batch, with_features))
        return classifier_pb2.AddFeaturesRequest(
            dataset=self._dataset,
            backbone_digest=self._manifest.digest,
            precision=batch.precision,
            multi_label=self._manifest.multi_label,
            examples=[
                classifier_pb2.Example(id=wire_name(row.id), label=row.label or "", content_sha256=row.sha256)
                for row in batch.rows
            ],
            features=[
                classifier_pb2.FeatureBlock(tap=tap, values=np.ascontiguousarray(values, "<f4").tobytes())
                for tap, values in batch.vectors.items()
            ]
            if with_features
            else [],
        )

    def _next_batch(self) -> Batch | None:
        """Return the next rows that have features and a label; the others have failed."""
        for batch in self._batches:
            if batch.rows and all(row.label is None for row in batch.rows):
                raise InvalidInputError(
                    "The shards have no labels; give them some by `featurizer embed --label-from`, such as `folder`."
                )
            kept, vector = [], 0
            positions = []
            for row in batch.rows:
                if row.error:
                    reason, _, text = row.error.partition(": ")
                    error = ImageError(text or reason, code="INVALID_ARGUMENT", reason=reason if text else "")
                    self._failed.append(ExampleOutcome(row.id, row.label or "", "failed", error=error))
                    continue
                if row.label is None:
                    error = ImageError("It has no label in the shard.", code="INVALID_ARGUMENT", reason="INVALID_FIELD")
                    self._failed.append(ExampleOutcome(row.id, "", "failed", error=error))
                else:
                    kept.append(row)
                    positions.append(vector)
                vector += 1
            if not kept:
                continue
            if len(positions) == vector:
                return Batch(kept, batch.vectors, batch.precision)
            return Batch(kept, {tap: values[positions] for tap, values in batch.vectors.items()}, batch.precision)
        return None


def _select(batch: Batch, positions: list[int]) -> Batch:
    if len(positions) == len(batch.rows):
        return batch
    vectors = {tap: values[positions] for tap, values in batch.vectors.items()}
    return Batch([batch.rows[position] for position in positions], vectors, batch.precision)


def read_page(page: classifier_pb2.ListFeaturesResponse) -> tuple[Batch, list[str]]:
    """Return the rows of a page with their vectors, and the precision of each; raises `ServerError`."""
    dimensions = {tap.name: tap.dimension for tap in page.backbone.taps}
    rows = [
        Row(
            example.id,
            example.label,
            example.content_sha256,
            f"STALE: It has no features of {page.backbone.name}." if example.stale else "",
        )
        for example in page.examples
    ]
    count = sum(not row.error for row in rows)
    vectors = {}
    for block in page.features:
        if len(block.values) != 4 * count * dimensions.get(block.tap, 0) or not block.tap:
            raise ServerError(f"The server sent features at the tap `{block.tap}` that do not fit.", code="UNKNOWN")
        vectors[block.tap] = np.frombuffer(block.values, "<f4").reshape(count, dimensions[block.tap])
    if vectors.keys() != dimensions.keys():
        raise ServerError("The server did not send features at all taps.", code="UNKNOWN")
    return Batch(rows, vectors, ""), [example.precision for example in page.examples]
