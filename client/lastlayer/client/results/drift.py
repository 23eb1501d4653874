"""Whether the images that come are like those that a version was trained on."""

import datetime
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DriftSignal:
    """How near the newest images are to an alarm, by one thing that is compared with the training images."""

    kind: str
    """`score` (the probability of the best class), `unknown` (whether it is rejected: 0 or 1), `distance` (of the
    features from the training images), `features` (in random directions) or `strength` (of the network's answer).
    """
    name: str
    """Of several numbers of this kind, the one that is the nearest to an alarm."""
    level: float
    """How far `seen_share` is from `expected_share`, where 1 is as far as an alarm is."""
    image_count: int
    """The number of newest images that this is about."""
    value: float
    expected_share: float
    """The share of images, from 0 to 1, that is expected below `value`."""
    seen_share: float
    """The share of the newest images that is below it."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Whether the images that come to a version are like those that it was trained on."""

    model: str
    version: int
    state: str
    """`steady` or `drifting`; or why nothing is told: `no reference` (an earlier release trained the version), `too few
    examples` (fewer than 20 training images) or `too few images` (have come, see `block_size`).
    """
    image_count: int
    """The number of images that were compared since `start_time`, in the process that answered."""
    start_time: datetime.datetime | None
    """When the comparison began; None where nothing was compared yet."""
    training_image_count: int
    """The number of training images that they are compared with."""
    signals: tuple[DriftSignal, ...]
    """One of each kind; empty before the first `block_size` images."""
    alarm_time: datetime.datetime | None
    """When the alarm that is on began; None where there is none."""
    alarm_count: int
    """The number of alarms since `start_time`."""
    last_alarm_time: datetime.datetime | None
    """When the newest alarm began, whether or not it is over."""
    block_size: int
    """Images are compared each time that many have come."""
    false_alarms_per_million: float
    """The most false alarms in a million images, on average."""

    @property
    def drifting(self) -> bool:
        """Whether there is an alarm now."""
        return self.state == "drifting"
