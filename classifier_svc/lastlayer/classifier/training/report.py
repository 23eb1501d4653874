"""What is known of a version, as the JSON that the store keeps beside its head."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from lastlayer.classifier.domain.errors import StoreCorruptError
from lastlayer.classifier.evaluation.calibration import Calibration
from lastlayer.classifier.evaluation.metrics import ClassMetrics, Metrics, ReliabilityBin
from lastlayer.classifier.evaluation.rejection import Rejection, RejectionPoint
from lastlayer.classifier.training.recipes import Recipe
from lastlayer.classifier.training.search import Trial
from lastlayer.classifier.training.trainer import ClassWeight, Estimate, Trained


@dataclass(frozen=True)
class Facts:
    """What is known of a version."""

    recipe: Recipe
    taps: tuple[str, ...]
    l1: float
    l2: float
    classes: tuple[str, ...]
    example_count: int
    cross_validation: Metrics | None
    comparisons: tuple[Estimate, ...]
    notes: tuple[str, ...]
    training_seconds: float
    class_weight: ClassWeight = ClassWeight.NONE
    whitening: float = 0.0
    calibration: Calibration | None = None
    rejection: Rejection | None = None
    rejection_curve: tuple[RejectionPoint, ...] = ()
    trials: tuple[Trial, ...] = ()
    libraries: Mapping[str, str] = field(default_factory=dict)
    """The versions of the libraries that it was trained with, by name."""

    @classmethod
    def of(cls, trained: Trained, example_count: int, training_seconds: float, libraries: Mapping[str, str]) -> "Facts":
        """Return the facts of a training."""
        head = trained.head
        return cls(
            recipe=trained.recipe,
            taps=head.taps,
            l1=head.l1,
            l2=head.l2,
            classes=head.classes,
            example_count=example_count,
            cross_validation=trained.cross_validation,
            comparisons=trained.comparisons,
            notes=trained.notes,
            training_seconds=training_seconds,
            class_weight=trained.class_weight,
            whitening=trained.whitening,
            calibration=trained.calibration,
            rejection=trained.rejection,
            rejection_curve=trained.rejection_curve,
            trials=trained.trials,
            libraries=dict(libraries),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON values."""
        values = asdict(self)
        values["recipe"] = self.recipe.value
        values["class_weight"] = self.class_weight.value
        for comparison, estimate in zip(values["comparisons"], self.comparisons, strict=True):
            comparison["recipe"] = estimate.recipe.value
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Facts":
        """Return the facts that `to_json` wrote; raises StoreCorruptError for anything else."""
        try:
            return cls._read(values)
        except (KeyError, TypeError, ValueError) as error:
            raise StoreCorruptError("What is stored of this version is damaged; train the model again.") from error

    @classmethod
    def _read(cls, values: Mapping[str, Any]) -> "Facts":
        return cls(
            recipe=Recipe(values["recipe"]),
            taps=tuple(values["taps"]),
            l1=values["l1"],
            l2=values["l2"],
            classes=tuple(values["classes"]),
            example_count=values["example_count"],
            cross_validation=_metrics(values["cross_validation"]) if values["cross_validation"] else None,
            comparisons=tuple(
                Estimate(Recipe(entry["recipe"]), tuple(entry["taps"]), _metrics(entry["metrics"]))
                for entry in values["comparisons"]
            ),
            notes=tuple(values["notes"]),
            training_seconds=values["training_seconds"],
            **{key: read(values[key]) for key, read in _LATER.items() if values.get(key)},
        )


_LATER: Final[Mapping[str, Callable[[Any], Any]]] = {
    "class_weight": ClassWeight,
    "whitening": float,
    "calibration": lambda stored: Calibration(**stored),
    "rejection": lambda stored: Rejection(**stored),
    "rejection_curve": lambda stored: tuple(RejectionPoint(**point) for point in stored),
    "trials": lambda stored: tuple(Trial(**{**trial, "taps": tuple(trial["taps"])}) for trial in stored),
    "libraries": dict,
}
"""What versions that were trained by the first release have not, and how it is read where it is there."""


def _metrics(values: Mapping[str, Any]) -> Metrics:
    later: dict[str, Any] = {
        key: tuple(values[key]) for key in ("micro_accuracy_interval", "log_loss_interval") if values.get(key)
    }
    return Metrics(
        **{
            **values,
            **later,
            "reliability": tuple(ReliabilityBin(**entry) for entry in values.get("reliability", ())),
            "classes": tuple(ClassMetrics(**entry) for entry in values["classes"]),
            "confusion_matrix": tuple(tuple(row) for row in values["confusion_matrix"]),
        }
    )
