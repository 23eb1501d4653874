"""What holds for all tests."""

import os
from collections.abc import Iterator

import pytest
from PIL import Image

# By default what runs networks is measured at the first start in each home. Here it is the same everywhere.
os.environ.setdefault("FEATURIZER_ENGINE", "tensorflow")
os.environ.setdefault("FEATURIZER_PRECISION", "float32")


@pytest.fixture(autouse=True)
def pillows_limit() -> Iterator[None]:
    """Leave Pillow's limit of pixels as it was: the featurizer sets it for its whole process, which here has others."""
    before = Image.MAX_IMAGE_PIXELS
    yield
    Image.MAX_IMAGE_PIXELS = before
