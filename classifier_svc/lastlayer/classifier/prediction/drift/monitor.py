"""Compares the images that a version predicts with those that it was trained on, window by window."""

import datetime
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.drift.reference import BLOCK, WINDOWS, DriftReference
from lastlayer.classifier.domain.drift.signals import Kind
from lastlayer.classifier.domain.errors import StoreCorruptError
from lastlayer.classifier.domain.types import ServedVersion

_log = logging.getLogger(__name__)

MOST_WATCHED: Final = 64
"""How many versions are watched, those that predicted last. Each takes about 100 kB."""

_Counts = npt.NDArray[np.int32]


@dataclass(frozen=True)
class SignalLevel:
    """How near the newest images are to drift, by one kind of signal."""

    kind: Kind
    name: str
    """The signal of its kind that is the nearest, see `Signal.name`."""
    level: float
    """How far the share below the cut is from what is expected, where 1 is as far as drift is; never below 0."""
    window: int
    """The number of newest images that this is about."""
    cut: float
    expected_share: float
    """The share of images that is expected below the cut."""
    seen_share: float


@dataclass(frozen=True)
class DriftReport:
    """What came to a version, beside what it was trained on."""

    reference: DriftReference | None
    """None where an earlier release trained the version."""
    image_count: int = 0
    """The images that were watched since `since`."""
    since: datetime.datetime | None = None
    """When the watch began, None where it has not."""
    levels: tuple[SignalLevel, ...] = ()
    """By kind, of the newest images; none before the first block."""
    alarm_time: datetime.datetime | None = None
    """When the alarm began; None where there is none now."""
    alarm_count: int = 0
    last_alarm_time: datetime.datetime | None = None
    """When the latest alarm began, over or not."""


class VersionWatch:
    """What one version predicted, in this process. Its memory is bounded: counts, and numbers of fewer than a block."""

    def __init__(
        self, version: ServedVersion, reference: DriftReference | None, now: Callable[[], datetime.datetime]
    ) -> None:
        self.version = version
        self.reference = reference if reference is not None and reference.signals else None
        self._stored = reference
        self._now = now
        self._since = now()
        self._image_count = 0
        self._levels: tuple[SignalLevel, ...] = ()
        self._alarm_time: datetime.datetime | None = None
        self._last_alarm_time: datetime.datetime | None = None
        self._alarm_count = 0
        if self.reference is None:
            return
        self._comparison = _Comparison(self.reference)
        self._waiting = np.zeros((BLOCK, len(self.reference.signals)), np.float32)
        self._waiting_count = 0

    def add(self, values: npt.NDArray[np.float32]) -> None:
        """Take the signals of images that were predicted, float32 [n, s]."""
        if self.reference is None:
            return
        begin = 0
        while begin < len(values):
            taken = values[begin : begin + BLOCK - self._waiting_count]
            self._waiting[self._waiting_count : self._waiting_count + len(taken)] = taken
            self._waiting_count += len(taken)
            self._image_count += len(taken)
            begin += len(taken)
            if self._waiting_count == BLOCK:
                self._waiting_count = 0
                self._levels = self._comparison.add(self._waiting)
                self._note()

    def report(self) -> DriftReport:
        """Return how it is now."""
        return DriftReport(
            reference=self._stored,
            image_count=self._image_count,
            since=self._since,
            levels=self._levels,
            alarm_time=self._alarm_time,
            alarm_count=self._alarm_count,
            last_alarm_time=self._last_alarm_time,
        )

    def _note(self) -> None:
        worst = max(self._levels, key=lambda found: found.level)
        if worst.level >= 1 and self._alarm_time is None:
            self._alarm_time = self._last_alarm_time = self._now()
            self._alarm_count += 1
            _log.warning(
                "drift: the images that come to version %d of the model %s are not like those that it was trained on, "
                "by %s of the newest %d; `client drift` tells more",
                self.version.version,
                self.version.model,
                worst.kind.value,
                worst.window,
            )
        elif worst.level < 1 and self._alarm_time is not None:
            self._alarm_time = None
            _log.info(
                "drift is over: version %d of the model %s gets images like those that it was trained on",
                self.version.version,
                self.version.model,
            )


class _Comparison:
    """The newest blocks of images, as counts below the cuts of a reference."""

    def __init__(self, reference: DriftReference) -> None:
        self._reference = reference
        signals, cuts = reference.cuts.shape
        self._blocks = np.zeros((WINDOWS[-1], 2, signals, cuts), np.int32)
        """[block, below or at most, signal, cut], the newest first."""
        self._seen = 0
        self._sizes = np.array([blocks * BLOCK for blocks in WINDOWS])
        limits = [reference.limits[signal.kind.sample] for signal in reference.signals]
        self._expected = np.stack([entry.shares for entry in limits])
        """[s, c]"""
        expected = self._expected * self._sizes[:, None, None]
        most = np.stack([entry.most for entry in limits], 1).astype(np.float64)
        least = np.stack([entry.least for entry in limits], 1).astype(np.float64)
        # A limit that cannot be reached is infinitely far away. That fewer images are unknown is no drift: of those
        # that were held out it is known how many are at most.
        never = (most > self._sizes[:, None, None]) | np.array(
            [signal.kind is Kind.UNKNOWN for signal in reference.signals]
        )[:, None]
        self._above = np.where(never, np.inf, most - expected)
        self._below = np.where(least < 0, np.inf, expected - least)
        self._middle = expected
        kinds = [signal.kind for signal in reference.signals]
        self._rows = [(kind, np.flatnonzero([other is kind for other in kinds])) for kind in dict.fromkeys(kinds)]

    def add(self, values: npt.NDArray[np.float32]) -> tuple[SignalLevel, ...]:
        """Take the signals of a block of images, float32 [b, s], and return the levels of the windows that end here."""
        self._blocks = np.roll(self._blocks, 1, axis=0)
        cuts = self._reference.cuts
        # What is equal to a cut counts for whichever side is the nearer to what is expected.
        self._blocks[0, 0] = (values[:, :, None] < cuts).sum(0)
        self._blocks[0, 1] = (values[:, :, None] <= cuts).sum(0)
        self._seen = min(self._seen + 1, WINDOWS[-1])
        full = sum(blocks <= self._seen for blocks in WINDOWS)
        counts = self._blocks.cumsum(0)[np.array(WINDOWS[:full]) - 1]
        above = (counts[:, 0] - self._middle[:full]) / self._above[:full]
        below = (self._middle[:full] - counts[:, 1]) / self._below[:full]
        levels = np.maximum(np.maximum(above, below), 0)
        return tuple(self._level(kind, rows, levels, counts, above) for kind, rows in self._rows)

    def _level(
        self,
        kind: Kind,
        rows: npt.NDArray[np.intp],
        levels: npt.NDArray[np.float64],
        counts: _Counts,
        above: npt.NDArray[np.float64],
    ) -> SignalLevel:
        of_kind = levels[:, rows]
        window, row, cut = (int(place) for place in np.unravel_index(of_kind.argmax(), of_kind.shape))
        signal = int(rows[row])
        size = int(self._sizes[window])
        level = float(of_kind[window, row, cut])
        side = 0 if above[window, signal, cut] >= level else 1
        return SignalLevel(
            kind=kind,
            name=self._reference.signals[signal].name,
            level=level,
            window=size,
            cut=float(self._reference.cuts[signal, cut]),
            expected_share=float(self._expected[signal, cut]),
            seen_share=float(counts[window, side, signal, cut]) / size,
        )


def read_reference(stored: bytes | None, version: ServedVersion) -> DriftReference | None:
    """Return the reference of a version as it is stored; None where there is none, or it is damaged, which is logged:
    predictions do without it.
    """
    try:
        return DriftReference.from_bytes(stored) if stored is not None else None
    except StoreCorruptError as error:
        _log.warning("version %d of the model %s is not watched: %s", version.version, version.model, error)
        return None


class DriftMonitor:
    """Watches the versions that predict, in this process alone. It is for one thread: that of the event loop."""

    def __init__(self, now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC)) -> None:
        """`now` tells the time, with its zone."""
        self._now = now
        self._watches: OrderedDict[int, VersionWatch] = OrderedDict()
        self._defaults: OrderedDict[str, int] = OrderedDict()  # by model: the key of the version that was default last

    def find(self, key: int) -> VersionWatch | None:
        """Return the watch of the version with a key, None where it has not predicted, or not for long."""
        return self._watches.get(key)

    def begin(self, version: ServedVersion, reference: DriftReference | None) -> VersionWatch:
        """Watch a version, and return its watch; that which it has already, where it has one."""
        watch = self._watches.get(version.key)
        if watch is None:
            watch = self._watches[version.key] = VersionWatch(version, reference, self._now)
        self._watches.move_to_end(version.key)
        if len(self._watches) > MOST_WATCHED:
            self._watches.popitem(last=False)
        return watch

    def note_default(self, version: ServedVersion) -> None:
        """Say that a version is the default of its model; where another one was before, its watch begins anew."""
        before = self._defaults.get(version.model)
        if before == version.key:
            return
        if before is not None:
            self._watches.pop(version.key, None)
            self._watches.pop(before, None)
        self._defaults[version.model] = version.key
        if len(self._defaults) > MOST_WATCHED:
            self._defaults.popitem(last=False)

    def watches(self) -> Iterator[VersionWatch]:
        """Yield all watches, those that predicted last at the end."""
        yield from list(self._watches.values())
