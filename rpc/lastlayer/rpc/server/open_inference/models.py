"""What a service says of its models and what it is asked, in plain terms; `messages` and `requests` convert them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeVar

import numpy.typing as npt

from lastlayer.rpc.errors import InvalidFieldError, LastlayerError, RelayedError

INPUT: Final = "image"
"""The one input of all models: BYTES [n], the files of n images."""

Datatype = Literal["BOOL", "BYTES", "FP32"]

Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Tensor:
    """An output of a model."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    """Without the first dimension, which is the number of images; -1 where it depends on the request."""


@dataclass(frozen=True)
class Model:
    """A model, as one of its versions has it."""

    name: str
    versions: Sequence[int]
    """All of them, from the oldest."""
    outputs: Sequence[Tensor]
    """All that can be asked for."""
    backbone: str
    backbone_digest: str


class IndexEntry(NamedTuple):
    """A version of a model."""

    model: str
    version: int
    is_default: bool


@dataclass(frozen=True)
class Inference:
    """What is asked of a model."""

    model: str
    version: int
    """The default one where 0."""
    images: Sequence[bytes]
    outputs: Sequence[str]
    """Each once."""
    parameters: Mapping[str, int]


@dataclass(frozen=True)
class Inferred:
    """What a model makes of some images."""

    version: int
    outputs: Mapping[str, npt.NDArray[Any]]
    """Those that were asked for: of float32, of bool, or of objects that are bytes; the first dimension is the images.
    """
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What else is to be said of them."""


class Offer(Protocol):
    """What can be asked of the models of a service."""

    max_images: int
    """The most images of a request."""
    outputs: Sequence[str]
    """The names of all outputs, which all models have."""
    usual_outputs: Sequence[str]
    """The outputs of requests that name none."""
    parameters: Sequence[str]
    """The parameters that requests may have, each a whole number from 0."""


class Models(Offer, Protocol):
    """The models of a service."""

    def find_obstacle(self) -> str:
        """Return why nothing can be inferred now, a sentence; empty where it can."""
        ...

    async def describe(self, model: str, version: int) -> Model:
        """Return a model as a version has it, the default one where that is 0; raises ResourceNotFoundError."""
        ...

    async def index(self, model: str) -> Sequence[IndexEntry]:
        """Return the versions of a model, or of all where `model` is empty; raises ResourceNotFoundError."""
        ...

    async def infer(self, asked: Inference, *, deadline: float | None, patient: bool) -> Inferred:
        """Return what a model makes of images; a `patient` caller waits for room, within the deadline.

        Raises LastlayerError, also where a single image fails.
        """
        ...


def take_all(outcomes: Sequence[Outcome | LastlayerError]) -> list[Outcome]:
    """Return what became of the images of a request where none failed; raises the error of the first that did, with its
    index.
    """
    found = [outcome for outcome in outcomes if not isinstance(outcome, LastlayerError)]
    if len(found) == len(outcomes):
        return found
    index, error = next((index, error) for index, error in enumerate(outcomes) if isinstance(error, LastlayerError))
    others = len(outcomes) - len(found) - 1
    more = f" So do {others} others." if others > 1 else " So does another." if others else ""
    text = f"The image at index {index} fails: {error.message}{more}"
    if isinstance(error, InvalidFieldError):
        raise InvalidFieldError(f"inputs[0][{index}]", text) from error
    raise RelayedError(error.reason, text, {**error.metadata, "index": str(index)}) from error
