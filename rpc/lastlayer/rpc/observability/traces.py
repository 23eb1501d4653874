"""Traces of calls through both services, by OpenTelemetry; off unless its environment names a collector.

The variables are OpenTelemetry's own (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import Final

from opentelemetry import context, propagate, trace
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_tracer = trace.get_tracer("lastlayer")  # that of `export`, once there is one


@contextlib.contextmanager
def export(service: str) -> Iterator[None]:
    """Send traces by OTLP over HTTP while the block lasts, if the environment names where to; `service` is our name."""
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        yield
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    os.environ.setdefault("OTEL_SERVICE_NAME", service)
    provider = TracerProvider(resource=Resource.create())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()


def begin(service: str, method: str, metadata: Iterable[tuple[str, str | bytes]] | None, request_id: str) -> Span:
    """Begin the span of a call below that of its caller; `end` ends it.

    It is the current span of this task, which must answer this call alone.
    """
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return INVALID_SPAN  # nobody listens
    received = {key: value for key, value in metadata or () if isinstance(value, str)}
    span = _tracer.start_span(
        f"{service}/{method}",
        context=propagate.extract(received),
        kind=SpanKind.SERVER,
        attributes={
            "rpc.system": "grpc",
            "rpc.service": service,
            "rpc.method": method,
            "lastlayer.request_id": request_id,
        },
    )
    context.attach(trace.set_span_in_context(span))
    return span


def end(span: Span, code: str, number: int) -> None:
    """End a span with the status code of its call."""
    span.set_attribute("rpc.grpc.status_code", number)
    if number:
        span.set_status(Status(StatusCode.ERROR, code))
    span.end()


def to_metadata() -> tuple[tuple[str, str], ...]:
    """Return the metadata that lets the next service's span be one below ours."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return tuple(carrier.items())
