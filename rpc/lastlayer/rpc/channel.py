"""Channels to our services: their names, message limits, keepalive and balancing, set once for every caller."""

import json
from typing import Final

FEATURIZER_SERVICE: Final = "lastlayer.v1.Featurizer"
CLASSIFIER_SERVICE: Final = "lastlayer.v1.Classifier"
"""The services' full names: gRPC, the health service and metrics know them by these."""

FEATURES_HEALTH: Final = f"{CLASSIFIER_SERVICE}/features"
"""The health service's name for what of the classifier needs the featurizer; the rest is served without it."""

MAX_MESSAGE_BYTES: Final = 32 * 1024 * 1024
"""The most bytes that a message may have, in both directions: a large phone photo fits."""

KEEPALIVE_MS: Final = 30_000
"""How often a silent connection is probed; servers permit it (see `lastlayer.rpc.server.lifecycle`)."""


def channel_options(*, watched_service: str | None = None) -> list[tuple[str, str | int]]:
    """Return the options of a channel.

    With `watched_service`, a service's full name, only servers whose health says that they serve it get calls. Among
    several servers those that are starting or stopping then get none.
    """
    config: dict[str, object] = {"loadBalancingConfig": [{"round_robin": {}}]}
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
        # gRPC sends a call again that never left this machine, and silently gives that up for requests above this size:
        # by default 256 KiB, less than most photos have.
        ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES + 1024 * 1024),
    ]
