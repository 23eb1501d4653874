"""What is known of a version, as the JSON that the store keeps beside its head."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from classifier_svc.metrics import ClassMetrics, Metrics
from classifier_svc.training import Estimate, Recipe, Trained
from rpc.errors import StoreCorruptError


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

    @classmethod
    def of(cls, trained: Trained, example_count: int, training_seconds: float) -> "Facts":
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
        )

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON values."""
        values = asdict(self)
        values["recipe"] = self.recipe.value
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
        )


def _metrics(values: Mapping[str, Any]) -> Metrics:
    return Metrics(
        **{
            **values,
            "classes": tuple(ClassMetrics(**entry) for entry in values["classes"]),
            "confusion_matrix": tuple(tuple(row) for row in values["confusion_matrix"]),
        }
    )
