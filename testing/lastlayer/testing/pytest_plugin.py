"""Fixtures of pytest, which finds this module by itself where Lastlayer is installed.

Nothing else is imported before a test asks for one of them.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from lastlayer.testing.services import Services, services

if TYPE_CHECKING:
    from lastlayer.client import Client


@pytest.fixture(scope="session")
def lastlayer_services() -> Iterator[Services]:
    """Both services, for all tests of the run."""
    with services() as pair:
        yield pair


@pytest.fixture
def lastlayer_client(lastlayer_services: Services) -> "Iterator[Client]":
    """A client of these services; whatever the test made there is deleted after it."""
    with lastlayer_services.client() as client:
        try:
            yield client
        finally:
            lastlayer_services.reset()
