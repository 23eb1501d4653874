"""What views are called in the store, their mean, the choices of training, and the sample."""

import numpy as np
import pytest

from lastlayer.classifier.domain.views import (
    SAMPLED,
    SAMPLED_OF_CLASS,
    SamplePlaces,
    candidate_views,
    mean_over,
    places,
)
from lastlayer.rpc.vectors import View

CROP, WHOLE, CROP_FLIPPED, WHOLE_FLIPPED = View


def test_places_are_listed_view_by_view() -> None:
    assert places(iter(["a", "b"]), [WHOLE, CROP]) == ("a@whole", "b@whole", "a", "b")


def test_the_mean_leaves_the_vectors_as_they_are() -> None:
    vectors = {"a": np.array([1, 2], np.float32), "a@whole": np.array([3, 6], np.float32)}
    assert mean_over(vectors, "a", [WHOLE]) is vectors["a@whole"]
    assert mean_over(vectors, "a", [CROP, WHOLE]).tolist() == [2, 4]
    assert vectors["a"].tolist() == [1, 2]
    with pytest.raises(KeyError):
        mean_over(vectors, "a", [CROP_FLIPPED])


def test_a_view_and_its_mirror_image_go_together() -> None:
    assert candidate_views([CROP]) == [(CROP,)]
    assert candidate_views([WHOLE, WHOLE_FLIPPED]) == [(WHOLE, WHOLE_FLIPPED)]
    assert candidate_views([CROP, WHOLE]) == [(CROP,), (WHOLE,), (CROP, WHOLE)]
    assert candidate_views(list(View)) == [
        (CROP, CROP_FLIPPED),
        (WHOLE, WHOLE_FLIPPED),
        (CROP, CROP_FLIPPED, WHOLE, WHOLE_FLIPPED),
    ]


def test_a_sample_is_spread_over_the_classes_and_ends() -> None:
    sample = SamplePlaces({"old": 1000, "few": 2})
    assert not sample.take("old")
    assert sum(sample.take("few") for _ in range(100)) == SAMPLED_OF_CLASS - 2
    taken = sum(sample.take(f"class {number}") for number in range(50) for _ in range(30))
    assert taken == SAMPLED - 2 * SAMPLED_OF_CLASS
