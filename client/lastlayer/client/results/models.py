"""Models, and how far a training is."""

import datetime
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """A name with numbered versions."""

    name: str
    default_version: int
    version_count: int
    classes: tuple[str, ...]
    """The classes of the default version."""
    create_time: datetime.datetime
    update_time: datetime.datetime


@dataclass(frozen=True, slots=True)
class TrainProgress:
    """How far a training is."""

    message: str
    """What is being done."""
    fraction: float
    """The share of the work that is done, from 0 to 1."""
