"""The types of the arrays that the classifier computes with, each once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""Numbers; the docstring that names it says of what kind and shape."""

Indices = npt.NDArray[np.intp]
"""Places in another array, such as the classes of examples: intp [n]."""

Features = Mapping[str, npt.NDArray[np.float32]]
"""Vectors by tap: float32 [n, d] for n images, or float32 [d] for one."""
