"""Asks a health service: `python -m lastlayer.rpc.probe HOST:PORT [SERVICE]` exits with 0 where it says SERVING.

For the health checks of containers, so that their images need no further program.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lastlayer.rpc.credentials.tls import CertificateFiles, CredentialsError, channel_credentials


def is_serving(
    address: str, service: str = "", timeout_s: float = 3.0, *, credentials: grpc.ChannelCredentials | None = None
) -> bool:
    """Return whether the server at `address` says SERVING for `service` (the empty name: for itself)."""
    connection = grpc.secure_channel(address, credentials) if credentials else grpc.insecure_channel(address)
    with connection as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)  # its types leave its methods out
            answer = stub.Check(request, timeout=timeout_s)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def main() -> int:
    """Probe once; the exit status is 0 where the server serves, 1 where not and 2 where a file cannot be used."""
    parser = argparse.ArgumentParser(description="Ask a server's health service whether it serves.")
    parser.add_argument("address", help="HOST:PORT of the server")
    parser.add_argument("service", nargs="?", default="", help="a serving name (default: the server as a whole)")
    parser.add_argument("--timeout", type=float, default=3.0, help="seconds to wait for the answer")
    parser.add_argument("--tls-ca", type=Path, help="CA of the server's certificate, PEM (default: no TLS)")
    parser.add_argument("--tls-cert", type=Path, help="certificate to show to the server, PEM")
    parser.add_argument("--tls-key", type=Path, help="its key, PEM")
    parser.add_argument("--token-file", type=Path, help="file with a token, where health needs one")
    arguments = parser.parse_args()
    credentials = None
    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        parser.error("--tls-cert and --tls-key go together")
    if arguments.tls_ca is not None:
        try:
            files = CertificateFiles(arguments.tls_cert, arguments.tls_key, arguments.tls_ca)
        except CredentialsError as error:
            parser.error(str(error))
        credentials = channel_credentials(files.pem, arguments.token_file)
    elif arguments.tls_cert is not None or arguments.token_file is not None:
        parser.error("--tls-cert and --token-file need --tls-ca")
    serving = is_serving(arguments.address, arguments.service, arguments.timeout, credentials=credentials)
    return 0 if serving else 1


if __name__ == "__main__":
    sys.exit(main())
