"""Lastlayer's client: `Client` for programs, and the command line `client` on top of it.

Names are imported when they are first used, so that `client --help` does not wait for gRPC.
"""

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lastlayer.client.api import Client
    from lastlayer.client.data.images import ImageSource, LabelledImage
    from lastlayer.client.data.labelled import Data, read_data
    from lastlayer.client.errors import (
        AccessError,
        BusyError,
        ClientError,
        DataError,
        DeadlineError,
        FailedPreconditionError,
        ImageError,
        InvalidInputError,
        NotFoundError,
        ServerError,
        ServerUnavailableError,
    )
    from lastlayer.client.output.dataframe import to_dataframe
    from lastlayer.client.output.progress import image_progress, train_progress
    from lastlayer.client.results.curation import (
        ExampleMap,
        MapPoint,
        NextExamples,
        Review,
        ReviewedExample,
        SimilarExample,
        SimilarExamples,
        SuggestedExample,
    )
    from lastlayer.client.results.datasets import Dataset, ExportedDataset, MovedDataset
    from lastlayer.client.results.drift import Drift, DriftSignal
    from lastlayer.client.results.evaluations import Evaluation, ExampleEvaluation, NearDuplicate
    from lastlayer.client.results.examples import (
        AddedExamples,
        ExampleOutcome,
        ExamplePage,
        PooledImages,
        StoredExample,
    )
    from lastlayer.client.results.images import Embeddings, Explanation, ImageRegion
    from lastlayer.client.results.metrics import (
        ClassMetrics,
        LabelMetrics,
        Metrics,
        MultiLabelMetrics,
        PrecisionRecallPoint,
        ReliabilityBin,
    )
    from lastlayer.client.results.models import Model, TrainProgress
    from lastlayer.client.results.predictions import LabelScore, Prediction, Predictions
    from lastlayer.client.results.server import AvailableBackbone, Backbone, ServerStatus
    from lastlayer.client.results.versions import (
        Calibration,
        Head,
        ModelVersion,
        RecipeEstimate,
        Rejection,
        RejectionPoint,
        Trial,
    )
    from lastlayer.client.transport.channel import Security

__all__ = [
    "AccessError",
    "AddedExamples",
    "AvailableBackbone",
    "Backbone",
    "BusyError",
    "Calibration",
    "ClassMetrics",
    "Client",
    "ClientError",
    "Data",
    "DataError",
    "Dataset",
    "DeadlineError",
    "Drift",
    "DriftSignal",
    "Embeddings",
    "Evaluation",
    "ExampleEvaluation",
    "ExampleMap",
    "ExampleOutcome",
    "ExamplePage",
    "Explanation",
    "ExportedDataset",
    "FailedPreconditionError",
    "Head",
    "ImageError",
    "ImageRegion",
    "ImageSource",
    "InvalidInputError",
    "LabelMetrics",
    "LabelScore",
    "LabelledImage",
    "MapPoint",
    "Metrics",
    "Model",
    "ModelVersion",
    "MovedDataset",
    "MultiLabelMetrics",
    "NearDuplicate",
    "NextExamples",
    "NotFoundError",
    "PooledImages",
    "PrecisionRecallPoint",
    "Prediction",
    "Predictions",
    "RecipeEstimate",
    "Rejection",
    "RejectionPoint",
    "ReliabilityBin",
    "Review",
    "ReviewedExample",
    "Security",
    "ServerError",
    "ServerStatus",
    "ServerUnavailableError",
    "SimilarExample",
    "SimilarExamples",
    "StoredExample",
    "SuggestedExample",
    "TrainProgress",
    "Trial",
    "image_progress",
    "read_data",
    "to_dataframe",
    "train_progress",
]

_HOMES: Final = {
    name: f"lastlayer.client.{module}"
    for module, names in {
        "api": "Client",
        "data.images": "ImageSource LabelledImage",
        "data.labelled": "Data read_data",
        "errors": (
            "AccessError BusyError ClientError DataError DeadlineError FailedPreconditionError"
            " ImageError InvalidInputError NotFoundError ServerError ServerUnavailableError"
        ),
        "output.dataframe": "to_dataframe",
        "output.progress": "image_progress train_progress",
        "results.curation": (
            "ExampleMap MapPoint NextExamples Review ReviewedExample SimilarExample SimilarExamples SuggestedExample"
        ),
        "results.datasets": "Dataset ExportedDataset MovedDataset",
        "results.drift": "Drift DriftSignal",
        "results.evaluations": "Evaluation ExampleEvaluation NearDuplicate",
        "results.examples": "AddedExamples ExampleOutcome ExamplePage PooledImages StoredExample",
        "results.images": "Embeddings Explanation ImageRegion",
        "results.metrics": "ClassMetrics LabelMetrics Metrics MultiLabelMetrics PrecisionRecallPoint ReliabilityBin",
        "results.models": "Model TrainProgress",
        "results.predictions": "LabelScore Prediction Predictions",
        "results.server": "AvailableBackbone Backbone ServerStatus",
        "results.versions": "Calibration Head ModelVersion RecipeEstimate Rejection RejectionPoint Trial",
        "transport.channel": "Security",
    }.items()
    for name in names.split()
}
"""The module that each public name comes from."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
