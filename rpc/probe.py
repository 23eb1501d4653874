"""Asks a server's standard health service: `python -m rpc.probe HOST:PORT [SERVICE]` exits with 0 where it serves.

For the health checks of containers, so that their images need no further program.
"""

import argparse
import sys
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def is_serving(address: str, service: str = "", timeout_s: float = 3.0) -> bool:
    """Return whether the server at `address` says SERVING for `service` (the empty name: for itself)."""
    with grpc.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)  # its types leave its methods out
            answer = stub.Check(request, timeout=timeout_s)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def main() -> int:
    """Probe once; the exit status is 0 where the server serves and 1 where not."""
    parser = argparse.ArgumentParser(description="Ask a server's health service whether it serves.")
    parser.add_argument("address", help="HOST:PORT of the server")
    parser.add_argument("service", nargs="?", default="", help="a serving name (default: the server as a whole)")
    parser.add_argument("--timeout", type=float, default=3.0, help="seconds to wait for the answer")
    arguments = parser.parse_args()
    return 0 if is_serving(arguments.address, arguments.service, arguments.timeout) else 1


if __name__ == "__main__":
    sys.exit(main())
