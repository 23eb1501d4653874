"""Feature vectors in messages: read, checked, and written."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.types import AddedExample, Backbone, FeaturePage
from lastlayer.classifier.features.client import Featurized
from lastlayer.classifier.features.given import Given
from lastlayer.classifier.features.ingest import Offered
from lastlayer.classifier.service import requests
from lastlayer.classifier.service.messages import to_outcome
from lastlayer.rpc.errors import InvalidFieldError, LastlayerError
from lastlayer.rpc.status import to_status
from lastlayer.rpc.vectors import pack, unpack
from lastlayer.v1 import classifier_pb2, types_pb2

MAX_EXAMPLES: Final = 2000
"""The most examples with features that one message may have."""

PRECISIONS: Final = ("float32", "bfloat16", "float16", "int8")


def check_digest(digest: str) -> str:
    """Return the digest of a backbone; raises InvalidFieldError."""
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise InvalidFieldError("backbone_digest", "The digest of a backbone has 64 hexadecimal digits, in lower case.")
    return digest


def read_given(message: classifier_pb2.AddFeaturesRequest, backbone: Backbone, *, multi_label: bool = False) -> Given:
    """Return the examples of a message with their features; what is wrong with one is in its `error`.

    It takes a while: call it in a thread. Raises InvalidFieldError where the message does not hold together.
    """
    count = len(message.examples)
    if count > MAX_EXAMPLES:
        raise InvalidFieldError(
            "examples", f"The message has {count} examples; at most {MAX_EXAMPLES} with features are accepted."
        )
    if message.precision and message.precision not in PRECISIONS:
        raise InvalidFieldError(
            "precision", f"There is no precision `{message.precision[:32]}`; {', '.join(PRECISIONS)} are accepted."
        )
    offered = requests.read_checksums(message.examples, multi_label=multi_label)
    if not message.features:
        return Given.of(offered, None, message.precision)
    vectors = _read_blocks(message.features, backbone, count)
    sound = np.ones(count, bool)
    for rows in vectors.values():
        sound &= np.isfinite(rows).all(axis=1)
    for row in np.flatnonzero(~sound):
        if offered[row].error is None:
            error = InvalidFieldError("features", f"The vectors of examples[{row}] have elements that are not finite.")
            offered[row] = Offered("", "", b"", offered[row].content_sha256, error)
    return Given.of(offered, vectors, message.precision)


def _read_blocks(
    blocks: Sequence[classifier_pb2.FeatureBlock], backbone: Backbone, count: int
) -> dict[str, npt.NDArray[np.float32]]:
    dimensions = {tap.name: tap.dimension for tap in backbone.taps}
    vectors: dict[str, npt.NDArray[np.float32]] = {}
    for index, block in enumerate(blocks):
        if block.tap not in dimensions or block.tap in vectors:
            wrong = "comes twice" if block.tap in vectors else "is none of the backbone's"
            raise InvalidFieldError(
                f"features[{index}].tap",
                f"The tap `{block.tap[:64]}` {wrong}; {', '.join(dimensions)} are accepted, each once.",
            )
        dimension = dimensions[block.tap]
        values = block.values  # once, as each time it is a copy
        if len(values) != 4 * dimension * count:
            raise InvalidFieldError(
                f"features[{index}].values",
                f"The block has {len(values)} bytes; {count} examples with {dimension} elements at the tap "
                f"`{block.tap}` have {4 * dimension * count}.",
            )
        vectors[block.tap] = unpack(values).reshape(count, dimension)
    if missing := [tap for tap in dimensions if tap not in vectors]:
        raise InvalidFieldError(
            "features",
            f"Features at {', '.join(missing)} are missing: a dataset has those at all taps of {backbone.name}. "
            "Compute them at all taps.",
        )
    return vectors


def to_add_response(
    message: classifier_pb2.AddFeaturesRequest, given: Given, added: Sequence[AddedExample | None]
) -> classifier_pb2.AddFeaturesResponse:
    """Return what became of the examples of a message. It takes a while: call it in a thread."""
    outcomes = map(to_outcome, message.examples, given.offered, given.outcomes(added))
    return classifier_pb2.AddFeaturesResponse(outcomes=outcomes)


def to_list_response(page: FeaturePage, token: str) -> classifier_pb2.ListFeaturesResponse:
    """Return labels of a dataset with their features."""
    if page.backbone is None:
        return classifier_pb2.ListFeaturesResponse()
    return classifier_pb2.ListFeaturesResponse(
        backbone=types_pb2.Backbone(
            name=page.backbone.name,
            digest=page.backbone.digest,
            taps=[
                types_pb2.Tap(
                    name=tap.name,
                    kind=types_pb2.TAP_KIND_CLASS_SCORES if tap.class_scores else types_pb2.TAP_KIND_UNSPECIFIED,
                    dimension=tap.dimension,
                )
                for tap in page.backbone.taps
            ],
        ),
        examples=[
            classifier_pb2.FeaturizedExample(
                id=label.name,
                content_sha256=label.content_sha256,
                label=label.label,
                precision=label.precision,
                stale=label.stale,
            )
            for label in page.labels
        ],
        features=[
            classifier_pb2.FeatureBlock(tap=tap, values=np.ascontiguousarray(rows, "<f4").tobytes())
            for tap, rows in page.vectors.items()
        ],
        next_page_token=token,
        multi_label=page.multi_label,
    )


def to_embedding(image_id: str, outcome: Featurized | LastlayerError) -> classifier_pb2.ImageEmbedding:
    """Return the features of an image, or why it has none."""
    if isinstance(outcome, LastlayerError):
        return classifier_pb2.ImageEmbedding(id=image_id, error=to_status(outcome))
    return classifier_pb2.ImageEmbedding(id=image_id, vectors=_to_vectors(outcome.vectors), precision=outcome.precision)


def _to_vectors(vectors: Mapping[str, npt.NDArray[np.float32]]) -> list[types_pb2.FeatureVector]:
    return [types_pb2.FeatureVector(tap=tap, values=pack(vector)) for tap, vector in vectors.items()]
