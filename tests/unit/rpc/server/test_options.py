"""gRPC ignores options whose names it does not know: each of ours must be one that it has."""

import importlib
from pathlib import Path

import pytest

from lastlayer.rpc.channel import channel_options
from lastlayer.rpc.server import lifecycle

LIBRARY = Path(importlib.import_module("grpc._cython.cygrpc").__file__ or "").read_bytes()


@pytest.mark.parametrize("name", [name for name, _ in [*lifecycle.OPTIONS, *channel_options()]])
def test_an_option_is_known_to_grpc(name: str) -> None:
    assert name.encode() + b"\0" in LIBRARY


def test_this_would_find_a_name_that_there_is_not() -> None:
    assert b"grpc.http2.min_recv_ping_interval_without_data_ms\0" not in LIBRARY
