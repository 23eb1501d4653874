"""Counts what became of requests, by model and version, since the server started."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from lastlayer.open_inference import service_pb2
from lastlayer.rpc.server.open_inference.models import IndexEntry

_MOST: Final = 1000
"""How many versions are counted; beyond that what was used least lately is forgotten."""


@dataclass
class Duration:
    """How often something happened, and how long that took."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int) -> None:
        """Count it once more."""
        self.count += 1
        self.ns += ns

    def to_message(self) -> service_pb2.StatisticDuration:
        """Return it as a message."""
        return service_pb2.StatisticDuration(count=self.count, ns=self.ns)


@dataclass
class Counts:
    """What became of the requests for a version."""

    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    compute_input: Duration = field(default_factory=Duration)
    compute_infer: Duration = field(default_factory=Duration)
    compute_output: Duration = field(default_factory=Duration)
    images: int = 0
    last_ms: int = 0
    """When the last one came, in milliseconds since the Unix epoch."""

    def add_success(self, moments: tuple[int, int, int, int], images: int, now_ms: int) -> None:
        """Count a request: `moments` are when it came, was read, was answered and was written, in nanoseconds."""
        came, was_read, answered, written = moments
        self.success.add(written - came)
        self.compute_input.add(was_read - came)
        self.compute_infer.add(answered - was_read)
        self.compute_output.add(written - answered)
        self.images += images
        self.last_ms = now_ms

    def add_failure(self, ns: int, now_ms: int) -> None:
        """Count a request that failed after `ns` nanoseconds."""
        self.fail.add(ns)
        self.last_ms = now_ms


class Statistics:
    """The counts of all versions."""

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, int], Counts] = OrderedDict()

    def of(self, model: str, version: int) -> Counts:
        """Return the counts of a version, to be added to; 0 stands for requests that named none and failed."""
        counts = self._counts.setdefault((model, version), Counts())
        self._counts.move_to_end((model, version))
        if len(self._counts) > _MOST:
            self._counts.popitem(last=False)
        return counts

    def to_message(self, entry: IndexEntry) -> service_pb2.ModelStatistics:
        """Return what is known of a version; requests that named none and failed count for the default one."""
        counts = self._counts.get((entry.model, entry.version), Counts())
        unnamed = self._counts.get((entry.model, 0), Counts()) if entry.is_default else Counts()
        return service_pb2.ModelStatistics(
            name=entry.model,
            version=str(entry.version),
            last_inference=max(counts.last_ms, unnamed.last_ms),
            inference_count=counts.images,
            execution_count=counts.success.count,
            inference_stats=service_pb2.InferStatistics(
                success=counts.success.to_message(),
                fail=Duration(counts.fail.count + unnamed.fail.count, counts.fail.ns + unnamed.fail.ns).to_message(),
                compute_input=counts.compute_input.to_message(),
                compute_infer=counts.compute_infer.to_message(),
                compute_output=counts.compute_output.to_message(),
            ),
        )
