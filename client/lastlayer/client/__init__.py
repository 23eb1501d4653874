"""Lastlayer's client: `Client` for programs, and the command line `client` on top of it.

Names are imported when they are first used, so that `client --help` does not wait for gRPC.
"""

import importlib
from typing import TYPE_CHECKING

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
    from lastlayer.client.results import (
        AddedExamples,
        AvailableBackbone,
        Backbone,
        Calibration,
        ClassMetrics,
        Dataset,
        Drift,
        DriftSignal,
        Embeddings,
        Evaluation,
        ExampleEvaluation,
        ExampleMap,
        ExampleOutcome,
        ExamplePage,
        Explanation,
        ExportedDataset,
        Head,
        ImageRegion,
        LabelMetrics,
        LabelScore,
        MapPoint,
        Metrics,
        Model,
        ModelVersion,
        MovedDataset,
        MultiLabelMetrics,
        NearDuplicate,
        NextExamples,
        PooledImages,
        PrecisionRecallPoint,
        Prediction,
        Predictions,
        RecipeEstimate,
        Rejection,
        RejectionPoint,
        ReliabilityBin,
        Review,
        ReviewedExample,
        ServerStatus,
        SimilarExample,
        SimilarExamples,
        StoredExample,
        SuggestedExample,
        TrainProgress,
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

_MODULES = (
    "lastlayer.client.errors",
    "lastlayer.client.data.images",
    "lastlayer.client.data.labelled",
    "lastlayer.client.results",
    "lastlayer.client.transport.channel",
    "lastlayer.client.api",
    "lastlayer.client.output.dataframe",
    "lastlayer.client.output.progress",
)


def __getattr__(name: str) -> object:
    if name in __all__:
        for module in map(importlib.import_module, _MODULES):
            if name in vars(module):
                value: object = vars(module)[name]
                globals()[name] = value
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
