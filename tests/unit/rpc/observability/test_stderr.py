"""Lines of libraries in C++ have the level that their prefix says."""

import logging

import pytest

from lastlayer.rpc.observability.stderr import parse_line


@pytest.mark.parametrize(
    ("line", "level", "message"),
    [
        (
            "I0000 00:00:1795568551.760597   17918 port.cc:153] oneDNN custom operations are on.",
            logging.INFO,
            "port.cc:153] oneDNN custom operations are on.",
        ),
        ("W0000 00:00:1.5 7 a.cc:1] slow", logging.WARNING, "a.cc:1] slow"),
        ("E1125 12:30:01.000001   42 ev_epoll1_linux.cc:1] failed", logging.ERROR, "ev_epoll1_linux.cc:1] failed"),
        ("F0000 00:00:1.5 7 a.cc:1] Check failed: x", logging.CRITICAL, "a.cc:1] Check failed: x"),
        (
            "2026-01-02 03:04:05.678901: E tensorflow/core/util.cc:1] no memory",
            logging.ERROR,
            "tensorflow/core/util.cc:1] no memory",
        ),
        ("Error: Cannot listen on 127.0.0.1:1.", logging.ERROR, "Error: Cannot listen on 127.0.0.1:1."),
        ("sqlite3.OperationalError: locked", logging.ERROR, "sqlite3.OperationalError: locked"),
        ("WARNING: All log messages before", logging.WARNING, "WARNING: All log messages before"),
        ("Errors are rare", logging.WARNING, "Errors are rare"),
        ("Ignored", logging.WARNING, "Ignored"),
    ],
)
def test_a_line_has_the_level_that_it_says(line: str, level: int, message: str) -> None:
    assert parse_line(line) == (level, message)
