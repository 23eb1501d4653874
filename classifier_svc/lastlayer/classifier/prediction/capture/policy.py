"""How much of what is predicted is kept."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class CapturePolicy:
    """How much is captured."""

    share: float = 0.0
    """The share of predicted images that is drawn; 0 captures nothing."""
    per_day: int = 100
    """The most images of a dataset in a day (UTC)."""
    days: int = 30
    """After how many days they are deleted."""
    models: Collection[str] = ()
    """The names of the models whose images are captured; all where empty."""
