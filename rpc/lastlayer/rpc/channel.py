"""Channels to our services: their names and addresses, message limits, keepalive, balancing, once for every caller."""

import ipaddress
import json
from typing import Final

FEATURIZER_SERVICE: Final = "lastlayer.v1.Featurizer"
CLASSIFIER_SERVICE: Final = "lastlayer.v1.Classifier"
"""The services' full names: gRPC, the health service and metrics know them by these."""

INFERENCE_SERVICE: Final = "inference.GRPCInferenceService"
"""The full name of the service of the Open Inference Protocol, which both have beside theirs."""

FEATURES_HEALTH: Final = f"{CLASSIFIER_SERVICE}/features"
"""The health service's name for what of the classifier needs the featurizer; the rest is served without it."""

MAX_MESSAGE_BYTES: Final = 32 * 1024 * 1024
"""The most bytes that a message may have, in both directions: a large phone photo fits."""

KEEPALIVE_MS: Final = 30_000
"""How often a silent connection is probed; servers permit it (see `lastlayer.rpc.server.lifecycle`)."""

_DNS: Final = "dns:///"


def is_host_port(text: str) -> bool:
    """Return whether this is `HOST:PORT`."""
    host, _, port = text.rpartition(":")
    return bool(host and port.isascii() and port.isdigit() and int(port) <= 65535)


def check_targets(text: str) -> str:
    """Return what a user wrote without its spaces.

    Raises ValueError, whose text says what is accepted, where it is neither HOST:PORT nor dns:///NAME:PORT nor a list
    of IP addresses and ports.

    >>> check_targets("10.0.0.1:50052, 10.0.0.2:50052")
    '10.0.0.1:50052,10.0.0.2:50052'
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(is_host_port(part.removeprefix(_DNS)) for part in parts):
        raise ValueError("HOST:PORT, dns:///NAME:PORT, or several addresses and ports between commas are needed")
    if len(parts) > 1 and {_ip_version(part) for part in parts} not in ({4}, {6}):
        raise ValueError("a list needs IP addresses, all IPv4 or all IPv6; for names use one dns:///NAME:PORT")
    return ",".join(parts)


def grpc_target(checked: str) -> str:
    """Return what `check_targets` returned as gRPC names it.

    >>> grpc_target("10.0.0.1:50052,10.0.0.2:50052")
    'ipv4:10.0.0.1:50052,10.0.0.2:50052'
    """
    parts = checked.split(",")
    return checked if len(parts) == 1 else f"ipv{_ip_version(parts[0])}:{checked}"


def _ip_version(address: str) -> int:
    """Return 4 or 6, or 0 for a name."""
    try:
        return ipaddress.ip_address(address.rpartition(":")[0].strip("[]")).version
    except ValueError:
        return 0


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
        # By default the channels of a process share their connections: a new one would fail at once for as long as
        # another waits for its next attempt at the same address, even though a server has started there meanwhile.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.service_config", json.dumps(config)),
        # gRPC sends a call again that never left this machine, and silently gives that up for requests above this size:
        # by default 256 KiB, less than most photos have.
        ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES + 1024 * 1024),
    ]
