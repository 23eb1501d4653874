"""A result of every type as a server might give it: each with everything that it may have, and with the least."""

import datetime

from lastlayer.client import (
    AddedExamples,
    Calibration,
    ClassMetrics,
    Dataset,
    Evaluation,
    ExampleEvaluation,
    ExampleOutcome,
    Explanation,
    ImageError,
    ImageRegion,
    LabelScore,
    Metrics,
    Model,
    NearDuplicate,
    PooledImages,
    Prediction,
    RecipeEstimate,
    Rejection,
    RejectionPoint,
    ReliabilityBin,
    ReviewedExample,
    ServerStatus,
    StoredExample,
    SuggestedExample,
    Trial,
)
from tests.unit.client.samples import version

CREATED = datetime.datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=datetime.UTC)
UPDATED = datetime.datetime(2026, 2, 3, tzinfo=datetime.UTC)

ERROR = ImageError("It is no image.", code="INVALID_ARGUMENT", reason="IMAGE_UNDECODABLE", metadata={"format": "?"})

METRICS = Metrics(
    example_count=8,
    log_loss=0.5,
    log_loss_reduction=0.25,
    accuracy=0.75,
    macro_accuracy=0.7,
    classes=(ClassMetrics("cat", 5, 0.4, 1.0, 0.8), ClassMetrics("größe 🦆", 3, 0.6, 0.9, 0.7)),
    confusion_matrix=((4, 1), (1, 2)),
    accuracy_interval=(0.5, 0.9),
    log_loss_interval=(0.25, 0.75),
    expected_calibration_error=0.125,
    reliability=(ReliabilityBin(0.5, 1.0, 8, 0.875, 0.75),),
)
LEAST_METRICS = Metrics(2, 0.5, None, 1.0, 1.0, (ClassMetrics("cat", 2, 0.5, 1.0, 1.0),), ((2,),))

PREDICTION = Prediction("a.jpg", (LabelScore("cat", 0.75), LabelScore("dog", 0.25)), "pets", 3, rejected=True)
FAILED_PREDICTION = Prediction("bad.jpg", (), "pets", 0, ERROR)
EXPLANATION = Explanation(
    label="cat",
    probability=0.75,
    logit=2.0,
    bias=0.5,
    contributions=((1.0, 0.5), (-0.25, 0.25)),
    region=ImageRegion(0.25, 0.0, 0.75, 1.0),
    prediction=PREDICTION,
)
VERSION = version(
    classes=("cat", "dog"),
    taps=("mixed4e", "avgpool0"),
    l1=0.25,
    cross_validation=METRICS,
    comparisons=(RecipeEstimate("tutorial", ("softmax2", "pool"), LEAST_METRICS),),
    create_time=CREATED,
    notes=("One note.", "Another one."),
    class_weight="balanced",
    calibration=Calibration(1.5, 0.75, 0.25),
    rejection=Rejection(0.625, 0.9),
    rejection_curve=(RejectionPoint(0.5, 0.75, 1.0), RejectionPoint(0.75, 0.875, 0.5)),
    trials=(Trial(("mixed4e", "pool"), 0.5, 0.4, 0.01, 8, True, 0.25),),
    libraries={"numpy": "2.2", "scikit-learn": "1.7"},
    whitening=0.5,
)
LEAST_VERSION = version()
ADDED = AddedExamples(
    added=3,
    present=2,
    trimmed=1,
    conflicts=(ExampleOutcome("b.jpg", "cat", "conflict", False, ("cat", "dog")),),
    failed=(ExampleOutcome("bad.jpg", "cat", "failed", True, error=ERROR),),
)
EVALUATION = Evaluation(
    model="pets",
    version=3,
    metrics=METRICS,
    unknown_labels={"cow": 2},
    failed=(ExampleEvaluation("bad.jpg", "cat", True, None, ERROR),),
    trimmed=1,
    near_duplicates=(NearDuplicate("a.jpg", "old.jpg", "cat", 0.999),),
    near_duplicate_count=4,
)
LEAST_EVALUATION = Evaluation("pets", 3, LEAST_METRICS, {}, (), 0)
MODEL = Model("pets", 2, 3, ("cat", "dog"), CREATED, UPDATED)
DATASET = Dataset(
    "pets", 5, {"dog": 3, "cat": 2}, 1, "xception", "ff" * 32, CREATED, UPDATED, stale_count=4, pool_count=3
)
STORED = StoredExample("a.jpg", bytes(range(32)), ("cat", "dog"), True, b"a JPEG")
SUGGESTED = SuggestedExample(STORED, (LabelScore("größe 🦆", 0.75), LabelScore("cat", 0.25)))
POOLED = PooledImages(1, 2, 3, (ExampleOutcome("a.jpg", "", "failed", error=ERROR),))
REVIEWED = ReviewedExample(STORED, "cat", 0.125, "dog", 0.875)
STATUS = ServerStatus("localhost:50052", {"server": "SERVING", "featurizer": "NOT_SERVING"}, "xception")
LEAST_STATUS = ServerStatus("localhost:50052", {"server": "SERVING"}, "")
