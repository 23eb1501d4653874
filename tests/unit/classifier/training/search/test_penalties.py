"""Solutions for one penalty, told by those for others."""

import numpy as np
import pytest

from lastlayer.classifier.training.search.penalties import interpolate


def test_between_penalties_solutions_lie_on_a_line_and_beyond_they_stay() -> None:
    found = {penalty: np.full((3, 2, 2), place, np.float32) for penalty, place in ((1.0, 0.0), (0.1, 2.0), (0.01, 5.0))}
    for l2, place in ((0.1, 2.0), (0.1**0.75, 1.5), (0.1**1.75, 4.25), (0.001, 5.0), (10.0, 0.0)):
        near = interpolate(found, l2)
        assert near == pytest.approx(np.full((3, 2, 2), place), abs=1e-5)
        assert near.dtype == np.float32
    assert interpolate({1.0: found[1.0]}, 0.1) is found[1.0]
