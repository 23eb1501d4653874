"""What holds for all tests."""

from collections.abc import Iterator

import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def pillows_limit() -> Iterator[None]:
    """Leave Pillow's limit of pixels as it was: the featurizer sets it for its whole process, which here has others."""
    before = Image.MAX_IMAGE_PIXELS
    yield
    Image.MAX_IMAGE_PIXELS = before
