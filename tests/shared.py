"""The development data beside the project: real photos and a real network, which the tests use where they exist."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the folder ../shared with real photos and a real network is absent"
)
