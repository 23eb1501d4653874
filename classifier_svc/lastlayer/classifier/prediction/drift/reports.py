"""Says what came to a version, beside what it was trained on: to whoever asks, and to Prometheus."""

import contextlib
from collections.abc import Iterable, Iterator

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from lastlayer.classifier.domain.types import ServedVersion
from lastlayer.classifier.prediction.drift.monitor import DriftMonitor, DriftReport, read_reference
from lastlayer.classifier.store.models import ModelStore
from lastlayer.rpc.system.workers import Workers


class DriftReports:
    """What a monitor found, of any version."""

    def __init__(self, models: ModelStore, monitor: DriftMonitor, workers: Workers) -> None:
        """`workers` look versions up."""
        self._models = models
        self._monitor = monitor
        self._workers = workers

    async def find(self, model: str, number: int) -> tuple[ServedVersion, DriftReport]:
        """Return a version, the default where `number` is 0, with its report; raises ResourceNotFoundError."""
        version = await self._workers.run(self._models.resolve, model, number)
        if (watch := self._monitor.find(version.key)) is not None:
            return version, watch.report()
        stored = await self._workers.run(self._models.drift_reference, version.key)
        return version, DriftReport(read_reference(stored, version))


@contextlib.contextmanager
def export_drift(monitor: DriftMonitor) -> Iterator[None]:
    """Export what a monitor finds as metrics while the block lasts; there are as many as versions are watched."""
    collector = _Drift(monitor)
    REGISTRY.register(collector)
    try:
        yield
    finally:
        REGISTRY.unregister(collector)


class _Drift(Collector):
    """Tells of the watches that there are when it is asked."""

    def __init__(self, monitor: DriftMonitor) -> None:
        self._monitor = monitor

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return nothing: what there is need not be known beforehand."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Yield what each watched version got."""
        labels = ["model", "version"]
        images = CounterMetricFamily("classifier_drift_images", "Images that were compared", labels=labels)
        alarm = GaugeMetricFamily("classifier_drift_alarm", "1 where other images come, 0 where not", labels=labels)
        alarms = CounterMetricFamily("classifier_drift_alarms", "How often drift began", labels=labels)
        level = GaugeMetricFamily(
            "classifier_drift_level",
            "How near the newest images are to an alarm: 1 is one",
            labels=[*labels, "signal"],
        )
        for watch in self._monitor.watches():
            if watch.reference is None:
                continue
            report, named = watch.report(), [watch.version.model, str(watch.version.version)]
            images.add_metric(named, report.image_count)
            alarm.add_metric(named, report.alarm_time is not None)
            alarms.add_metric(named, report.alarm_count)
            for found in report.levels:
                level.add_metric([*named, found.kind.value], found.level)
        yield from (images, alarm, alarms, level)
