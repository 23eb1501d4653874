"""Channels to our services: message limits, keepalive, retries and balancing, set once for every caller."""

import json
from collections.abc import Sequence
from typing import Final

MAX_MESSAGE_BYTES: Final = 32 * 1024 * 1024
"""The most bytes that a message may have, in both directions: a large phone photo fits."""

KEEPALIVE_MS: Final = 30_000
"""How often a silent connection is probed; servers permit it (see `lastlayer.rpc.server.lifecycle`)."""


def channel_options(
    *, retried_methods: Sequence[str] = (), watched_service: str | None = None
) -> list[tuple[str, str | int]]:
    """Return the options of a channel.

    `retried_methods` are the full names (`package.Service/Method`) of idempotent methods, which gRPC itself sends again
    while the service is unavailable, up to 4 more times within the call's deadline. With `watched_service`, a service's
    full name, only servers whose health says that they serve it get calls: none that starts or stops, among several.
    """
    retry = {
        "name": [dict(zip(("service", "method"), name.split("/"), strict=True)) for name in retried_methods],
        "retryPolicy": {
            "maxAttempts": 5,
            "initialBackoff": "0.1s",
            "maxBackoff": "2s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        },
    }
    config: dict[str, object] = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [retry] if retried_methods else [],
    }
    if watched_service is not None:
        config["healthCheckConfig"] = {"serviceName": watched_service}
    return [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", 10_000),
        # By default 30 s and up to 2 minutes: too late for servers that are replaced one after the other.
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
        # Until the next attempt to connect all calls fail at once: callers that try for a second or two would give up
        # on a server that is back.
        ("grpc.max_reconnect_backoff_ms", 500),
        ("grpc.service_config", json.dumps(config)),
        # gRPC silently gives up retrying requests above this size, by default 256 KiB: less than most photos have.
        ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES + 1024 * 1024),
    ]
