"""Evaluates a model on labelled images over one stream; where it breaks, all is sent again, as nothing was stored."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import grpc

from lastlayer.client.data.images import LabelledImage, name_of, read_image, wire_name
from lastlayer.client.errors import DataError, ImageError, ServerError
from lastlayer.client.results.evaluations import Evaluation, ExampleEvaluation
from lastlayer.client.results.predictions import LabelScore
from lastlayer.client.transport.batching import MAX_IMAGES, MAX_IN_FLIGHT, batches
from lastlayer.client.transport.duplex import Duplex
from lastlayer.client.transport.messages.reading import image_error, read
from lastlayer.client.transport.retry import Patience
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc

_Stream = Duplex[classifier_pb2.EvaluateRequest, classifier_pb2.EvaluateResponse]


class EvaluationRun:
    """One evaluation; `run` may be called again where it failed."""

    def __init__(
        self,
        stub: "classifier_pb2_grpc.ClassifierStub",
        examples: Sequence[LabelledImage],
        *,
        model: str,
        version: int,
        on_example: Callable[[ExampleEvaluation], None] | None,
    ) -> None:
        """`on_example` hears of each example once, images that cannot be read included."""
        self._stub = stub
        self._examples = examples
        self._model = model
        self._version = version
        self._on_example = on_example
        self._heard: set[int] = set()
        self._failed: list[ExampleEvaluation] = []
        self._trimmed = 0

    def repeat(self, patience: Patience, timeout_s: float) -> Evaluation:
        """Return the evaluation, after as many attempts as the patience allows.

        `timeout_s` is for each message of images. Raises `DataError` where no image can be read, or a `ClientError`.
        """
        deadline_s = timeout_s * (1 + len(self._examples) / MAX_IMAGES)
        while True:
            try:
                with _open(self._stub, deadline_s) as stream:
                    return self._attempt(stream, patience)
            except grpc.RpcError as error:
                patience.wait_after(error)

    def _attempt(self, stream: _Stream, patience: Patience) -> Evaluation:
        self._failed, self._trimmed = [], 0
        in_flight: deque[list[int]] = deque()
        for batch in batches(self._contents()):
            stream.send(
                classifier_pb2.EvaluateRequest(
                    model=self._model,
                    version=self._version,
                    examples=[
                        classifier_pb2.Example(
                            id=wire_name(self._name(index)),
                            label=self._examples[index].label,
                            labels=self._examples[index].labels,
                            content=content,
                        )
                        for index, content in batch
                    ],
                )
            )
            in_flight.append([index for index, _ in batch])
            if len(in_flight) >= MAX_IN_FLIGHT:
                self._read(stream.receive(), in_flight.popleft())
                patience.progressed()
        if not in_flight:
            raise DataError(_sentence(entry) for entry in self._failed)
        stream.close_sending()
        while in_flight:
            self._read(stream.receive(), in_flight.popleft())
        last = stream.receive()
        if not last.HasField("evaluation"):
            raise ServerError("The server ended the call without an evaluation.", code="UNKNOWN")
        return read(Evaluation, last.evaluation, failed=tuple(self._failed), trimmed=self._trimmed)

    def _contents(self) -> Iterator[tuple[int, bytes]]:
        for index, example in enumerate(self._examples):
            try:
                yield index, read_image(example.image, origin=example.origin)
            except ImageError as error:
                labels = example.labels or ()
                self._note(index, ExampleEvaluation(self._name(index), example.label, True, None, error, labels=labels))

    def _read(self, response: classifier_pb2.EvaluateResponse, indexes: list[int]) -> None:
        results = response.progress.results
        if len(results) != len(indexes):
            raise ServerError(f"The server answered {len(results)} results for {len(indexes)} images.", code="UNKNOWN")
        for index, result in zip(indexes, results, strict=True):
            self._note(index, _read_result(self._name(index), result))

    def _note(self, index: int, result: ExampleEvaluation) -> None:
        if result.error is not None:
            self._failed.append(result)
        self._trimmed += result.label_trimmed
        if self._on_example is not None and index not in self._heard:
            self._heard.add(index)
            self._on_example(result)

    def _name(self, index: int) -> str:
        example = self._examples[index]
        return example.name or name_of(example.image, index)


def _read_result(name: str, result: classifier_pb2.ExampleEvaluation) -> ExampleEvaluation:
    """Return what the model made of the example called `name`."""
    failed = result.HasField("error")
    return ExampleEvaluation(
        image=name,
        label=result.label,
        label_known=result.label_known,
        predicted=None if failed else read(LabelScore, result.predicted),
        error=image_error(result.error) if failed else None,
        label_trimmed=result.label_trimmed,
        labels=tuple(result.labels),
        predicted_labels=tuple(result.predicted_labels),
    )


def _open(stub: "classifier_pb2_grpc.ClassifierStub", deadline_s: float) -> _Stream:
    return Duplex(stub.Evaluate, deadline_s)


def _sentence(entry: ExampleEvaluation) -> str:
    return entry.error.message if entry.error is not None else ""
