"""What a head makes of vectors, and what a file tells of it."""

import json

import numpy as np
import pytest

from lastlayer.featurizer.errors import ConversionError
from lastlayer.featurizer.network.conversion.head import Head
from lastlayer.rpc.vectors import View
from tests.unit.featurizer.network.conversion.samples import LABELS, head


@pytest.mark.parametrize("square_root", [False, True])
@pytest.mark.parametrize("unit_length", [False, True])
def test_probabilities_are_softmax_of_prepared_vectors(square_root: bool, unit_length: bool) -> None:
    known = head(square_root=square_root, unit_length=unit_length)
    vectors = [np.random.default_rng(1).normal(size=(5, size)).astype(np.float32) for size in (8, 16)]
    vectors[0][0] = 0  # which has no direction
    for row, found in enumerate(known.probabilities(vectors)):
        parts = []
        for tap in vectors:
            part = tap[row].astype(np.float64)
            part = np.sqrt(part.clip(min=0)) if square_root else part
            length = np.sqrt((part**2).sum())
            parts.append(part / length if unit_length and length else part)
        logits = np.concatenate(parts) @ known.weights + known.biases
        np.testing.assert_allclose(found, np.exp(logits) / np.exp(logits).sum(), atol=1e-5)


def test_a_file_tells_its_labels_in_order_whatever_is_in_them() -> None:
    told = head(threshold=0.75).told(width=32, height=24)
    assert json.loads(told["labels"]) == list(LABELS)
    assert (told["model"], told["version"], told["threshold"]) == ("ducks", "3", "0.75")
    assert (told["width"], told["height"], json.loads(told["views"])) == ("32", "24", ["crop"])
    assert head().label_lines() == "größe 🦆\ncat\ntwo lines\n"


@pytest.mark.parametrize("view", [View.CROP, View.WHOLE])
def test_a_view_and_its_mirror_image_can_be_written(view: View) -> None:
    [mirrored] = [other for other in View if other.is_flipped and other.upright is view]
    for views in ((view,), (mirrored,), (view, mirrored)):
        known: Head = head(views=views)
        known.check_views()
        assert known.view is view


def test_views_of_crop_and_whole_together_are_refused_in_a_sentence() -> None:
    with pytest.raises(ConversionError, match=r"mean over the views crop, whole, and a file .*`client train DATA --v"):
        head(views=(View.CROP, View.WHOLE)).check_views()
