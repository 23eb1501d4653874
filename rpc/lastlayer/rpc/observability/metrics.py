"""Answers Prometheus by HTTP with the metrics of this process."""

import contextlib
from collections.abc import Iterator

from prometheus_client import start_http_server

from lastlayer.rpc.errors import BindError


@contextlib.contextmanager
def export_metrics(address: str | None) -> Iterator[None]:
    """Answer Prometheus at `address` (`host:port`) while the block lasts; not at all where it is None.

    Raises BindError.
    """
    if address is None:
        yield
        return
    host, _, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]"))
    except OSError as error:
        raise BindError(
            f"Cannot export metrics at {address}: another program uses the port, or this machine has no such address."
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
