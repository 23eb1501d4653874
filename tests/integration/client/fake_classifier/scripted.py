"""The script that the fake follows, what it holds, and the record that it keeps."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
from google.rpc import status_pb2
from grpc_status import rpc_status

from lastlayer.featurizer.errors import ImageUndecodableError
from lastlayer.rpc.errors import LastlayerError, ResourceNotFoundError
from lastlayer.rpc.status import to_status
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, types_pb2


@dataclass
class Broken:
    """A failure on the way: what gRPC says where a connection ends."""

    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE


class Hang:
    """No answer at all, until the caller gives up."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.left = threading.Event()


@dataclass
class Scripted(classifier_pb2_grpc.ClassifierServicer):
    """Fails where the script says so."""

    script: dict[str, list[LastlayerError | Broken | Hang | None]] = field(default_factory=dict)
    """For each method, how its next calls go: None is well. After the script, all is well."""
    break_after: dict[str, list[int | None]] = field(default_factory=dict)
    """For each stream, after how many answers its next calls break; None is never."""
    classes: tuple[str, ...] = ("cat", "dog")
    models: list[str] = field(default_factory=lambda: ["default"])
    page_size: int = 2
    default_version: int = 1
    drift_state: classifier_pb2.DriftState = classifier_pb2.DRIFT_STATE_DRIFTING
    cross_validated: bool = True
    detailed: bool = True
    """Whether versions and metrics have what older ones lack: intervals, calibration, rejection, trials."""
    near_duplicates: list[classifier_pb2.NearDuplicate] = field(default_factory=list)
    store: dict[bytes, list[str]] = field(default_factory=dict)
    names: dict[bytes, str] = field(default_factory=dict)
    vectors: dict[bytes, bytes] = field(default_factory=dict)
    """Those that were sent, by sha256."""
    pool: dict[bytes, str] = field(default_factory=dict)
    """Images without a label, by sha256, and the class that they are guessed to be of."""
    alike: int = 0
    """How many images of the pool are like others, and never suggested."""
    relabelled: set[bytes] = field(default_factory=set)
    stale: set[bytes] = field(default_factory=set)
    served: types_pb2.Backbone = field(default_factory=lambda: served_backbone())
    calls: list[tuple[str, Any]] = field(default_factory=list)
    """The record: the name of each method that was called, and each message that came."""
    deadlines: dict[str, float] = field(default_factory=dict)
    metadata: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """The name of each method that was called, and the metadata of the call."""
    endless: bool = False
    """Whether trainings end only when they are cancelled."""
    ended_trainings: int = 0

    def count(self, method: str) -> int:
        return sum(1 for name, message in self.calls if name == method and message is None)

    def messages(self, method: str) -> list[Any]:
        return [message for name, message in self.calls if name == method and message is not None]

    def _known(self, resource: str, name: str, context: grpc.ServicerContext) -> str:
        if name not in self.models:
            self._fail(ResourceNotFoundError(resource, name), context)
        return name

    def _dataset(self, name: str) -> classifier_pb2.Dataset:
        dataset = classifier_pb2.Dataset(
            name=name,
            example_count=3,
            backbone="tiny",
            conflict_count=1,
            stale_count=len(self.stale),
            pool_count=len(self.pool),
        )
        dataset.classes.add(label="cat", example_count=3)
        return dataset

    def _page(self, names: list[Any], token: str) -> tuple[list[Any], str]:
        begin = int(token or 0)
        end = begin + self.page_size
        return names[begin:end], str(end) if end < len(names) else ""

    def _scripted(self, method: str) -> Any:
        return self.script[method].pop(0) if self.script.get(method) else None

    def _begin(self, method: str, context: grpc.ServicerContext, request: Any = None) -> Iterator[bool]:
        """Record a call; fail it where the script says so; return which of its answers break it."""
        self.calls.append((method, None))
        if request is not None:
            self.calls.append((method, request))
        self.metadata.append((method, {key: str(value) for key, value in context.invocation_metadata()}))
        self.deadlines[method] = context.time_remaining() or 0.0
        failure = self._scripted(method)
        if failure is not None:
            self._fail(failure, context)
        after = self.break_after[method].pop(0) if self.break_after.get(method) else None
        return (number == after for number in range(1_000_000))

    def _step(self, breaks: Iterator[bool], context: grpc.ServicerContext) -> None:
        if next(breaks):
            self._fail(Broken(), context)

    def _fail(self, failure: LastlayerError | Broken | Hang, context: grpc.ServicerContext) -> NoReturn:
        if isinstance(failure, Hang):
            context.add_callback(failure.left.set)
            failure.entered.set()
            failure.left.wait()
            context.abort(grpc.StatusCode.CANCELLED, "the caller has gone")
        if isinstance(failure, Broken):
            context.abort(failure.code, "the connection ended")
        context.abort_with_status(rpc_status.to_status(to_status(failure)))
        raise AssertionError("unreachable")


def served_backbone() -> types_pb2.Backbone:
    """Return the network that the fake's featurizer serves, with which its versions were trained."""
    return types_pb2.Backbone(
        name="tiny",
        digest="00" * 32,
        device="CPU",
        precision="float32",
        imagenet_accuracy=0.7,
        relative_speed=1.0,
        others=[types_pb2.AvailableBackbone(name="xception", imagenet_accuracy=0.79, relative_speed=0.2)],
    )


def undecodable() -> status_pb2.Status:
    return to_status(ImageUndecodableError("The bytes are no image of a supported format."))
