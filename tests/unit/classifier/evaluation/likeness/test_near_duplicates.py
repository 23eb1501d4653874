"""Near duplicates among evaluated images, and which stored examples a version was trained on."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from lastlayer.classifier.domain.types import TapExamples
from lastlayer.classifier.evaluation.likeness.near_duplicates import (
    ALIKE,
    RANK,
    RATIO,
    SAME,
    EvaluatedBlock,
    NearDuplicate,
    find_near_duplicates,
)
from lastlayer.classifier.evaluation.likeness.perceptual_hashes import HASH_BYTES
from lastlayer.classifier.evaluation.out_of_fold import OutOfFold
from lastlayer.classifier.evaluation.tally import select_trained_on


def stored(vectors: npt.NDArray[np.float32], labels: list[str] | None = None) -> TapExamples:
    names = [f"stored {row}" for row in range(len(vectors))]
    contents = [row.to_bytes(32) for row in range(len(vectors))]
    return TapExamples(contents, names, labels or ["x"] * len(vectors), vectors)


def near_duplicates(
    names: list[str],
    images: list[npt.NDArray[np.float32]],
    training: TapExamples,
    stopped: Callable[[], bool] = lambda: False,
) -> list[NearDuplicate]:
    """Compare images with training images in blocks of a few thousand."""
    rows = range(len(training.names))
    blocks = [training.only(rows[start : start + 4000]) for start in range(0, len(rows), 4000)]
    vectors = np.stack(images) if images else training.vectors[:0]
    return find_near_duplicates(EvaluatedBlock(names, vectors), blocks, stopped)


def random(count: int, seed: int, dimension: int = 16) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)


def turned(vector: npt.NDArray[np.float32], cosine: float) -> npt.NDArray[np.float32]:
    """Return a vector of another length, at an angle to the given one."""
    other = random(1, 99)[0]
    across = other - other @ vector / (vector @ vector) * vector
    unit, normal = vector / np.linalg.norm(vector), across / np.linalg.norm(across)
    return np.asarray(7 * (cosine * unit + np.sqrt(1 - cosine**2) * normal), np.float32)


def found(cosine: float, *others: float) -> bool:
    """Return whether an image is a near duplicate where its training images are at these cosines from it."""
    image = random(1, 0)[0]
    training = np.stack([turned(image, each) for each in (cosine, *others)])
    return bool(near_duplicates(["image"], [image], stored(training)))


def test_the_most_similar_comes_first_with_the_image_that_it_is_like() -> None:
    training = random(50, 0)
    evaluated = [random(1, 1)[0], turned(training[7], 0.95), 3 * training[20]]
    near = near_duplicates(["new", "near", "same"], evaluated, stored(training))
    assert [(entry.name, entry.training_name) for entry in near] == [("same", "stored 20"), ("near", "stored 7")]
    assert [entry.similarity for entry in near] == pytest.approx([1, 0.95], abs=1e-5)
    assert max(entry.similarity for entry in near) <= 1


def test_the_same_is_found_among_its_copies() -> None:
    assert found(SAME + 0.001, *[SAME + 0.0005] * (2 * RANK))
    assert not found(SAME - 0.001, *[SAME - 0.002] * (2 * RANK))


@pytest.mark.parametrize(("ratio", "near"), [(RATIO - 0.01, True), (RATIO + 0.01, False)])
def test_an_image_is_near_where_it_is_far_nearer_than_the_others(ratio: float, near: bool) -> None:
    assert found(1 - ratio * 0.3, *[0.7] * RANK) == near
    # A few more copies do not hide it; as many as are looked at do.
    copies = [1 - ratio * 0.3 - 0.001] * (RANK - 2)
    assert found(1 - ratio * 0.3, *copies, *[0.7] * RANK) == near
    assert not found(1 - ratio * 0.3, *copies, 0.92, *[0.7] * RANK)


def test_what_is_not_alike_is_not_near_whatever_the_others_are() -> None:
    assert found(ALIKE + 0.001, *[0.0] * RANK)
    assert not found(ALIKE - 0.001, *[0.0] * RANK)


def test_with_few_training_images_the_last_is_the_measure() -> None:
    assert found(0.95, 0.5)
    assert not found(0.95, 0.9)
    assert not found(0.95)
    assert found(1.0)


def test_more_images_than_are_compared_at_once() -> None:
    training, evaluated = random(9000, 0), random(8500, 1)
    evaluated[[3, 4500, 8499]] = training[[8999, 5, 4096]]
    near = near_duplicates([str(row) for row in range(8500)], list(evaluated), stored(training))
    assert {entry.name: entry.training_name for entry in near} == {
        "3": "stored 8999",
        "4500": "stored 5",
        "8499": "stored 4096",
    }


def test_an_image_without_features_is_like_nothing() -> None:
    zeros = np.zeros((2, 16), np.float32)
    assert near_duplicates(["a"], [zeros[0]], stored(zeros)) == []


def looks(seed: int, *, bits: int = 0) -> bytes:
    """Return hashes of an image: of the whole, mirrored, and of three parts; in each some bits are changed."""
    own = np.random.default_rng(seed).integers(0, 256, (5, HASH_BYTES), np.uint8)
    own[:, -1] &= 0xFE
    own[:, :bits] ^= 1
    return own.tobytes()


def copied(image: bytes, *training: bytes) -> list[str]:
    """Return which training images an image is a copy of, by what they look like: no features are near."""
    vectors = random(len(training), 0)
    examples = replace(stored(vectors), hashes=training)
    across = turned(vectors[0], 0.5)[None]
    near = find_near_duplicates(EvaluatedBlock(["image"], across, [image]), [examples])
    return [entry.training_name for entry in near]


def test_what_looks_the_same_is_near_whatever_its_features_are() -> None:
    others = [looks(seed) for seed in range(1, RANK)]
    assert copied(looks(0), *others) == []
    assert copied(looks(0), *others[:3], looks(0, bits=10), *others[3:]) == ["stored 3"]
    assert copied(looks(0), looks(0)) == ["stored 0"]


def test_a_part_of_an_image_is_a_copy_of_it() -> None:
    part = looks(7)[3 * HASH_BYTES : 4 * HASH_BYTES] + looks(0)[HASH_BYTES:]
    assert copied(part, looks(5), looks(6), looks(7)) == ["stored 2"]
    assert copied(looks(7), looks(5), looks(6), part) == ["stored 2"]


def test_where_all_images_look_much_the_same_only_a_copy_stands_out() -> None:
    alike = [looks(0, bits=bits) for bits in (12, 12, 12, 14, 13)]
    assert copied(looks(0, bits=0), *alike) == []
    assert copied(looks(0, bits=0), *alike, looks(0, bits=2)) == ["stored 5"]


def test_only_the_nearest_by_features_are_looked_at() -> None:
    vectors = np.vstack([turned(random(1, 0)[0], 0.8 - row / 100) for row in range(RANK)])
    far = -random(1, 0)
    examples = replace(
        stored(np.vstack([vectors, far])), hashes=[*(looks(seed) for seed in range(1, RANK + 1)), looks(0)]
    )
    assert find_near_duplicates(EvaluatedBlock(["image"], random(1, 0), [looks(0)]), [examples]) == []


def test_images_of_before_have_no_hashes() -> None:
    assert copied(looks(0), b"", b"") == []
    assert copied(b"", looks(0), looks(1)) == []
    vectors = random(3, 0)
    near = find_near_duplicates(EvaluatedBlock(["image"], random(1, 5), [looks(0)]), [stored(vectors)])
    assert near == []


def test_the_nearest_are_the_same_in_blocks_as_at_once() -> None:
    training = replace(stored(random(200, 0)), hashes=[looks(seed) for seed in range(200)])
    evaluated = EvaluatedBlock([str(row) for row in range(200)], random(200, 1), [looks(row) for row in range(200)])
    at_once = find_near_duplicates(evaluated, [training])
    rows = range(200)
    blocks = [training.only(rows[start : start + 7]) for start in range(0, 200, 7)]
    assert find_near_duplicates(evaluated, blocks) == at_once
    assert 0 < len(at_once) < 200


def test_with_nothing_to_compare() -> None:
    assert near_duplicates([], [], stored(random(2, 0))) == []
    assert near_duplicates(["a"], [random(1, 0)[0]], stored(random(0, 0))) == []


def test_it_ends_when_it_is_stopped() -> None:
    training = random(2, 0)
    assert near_duplicates(["a"], [training[0]], stored(training), lambda: True) == []


def test_what_was_added_after_the_training_was_not_trained_on() -> None:
    everything = stored(random(5, 0), ["cat", "dog", "dog", "owl", "dog"])
    contents = everything.contents
    # The only owl could not be held out; the last dog came later.
    results = OutOfFold.of(contents[:3], np.array([0, 1, 1]), np.full((3, 3), 1 / 3))
    trained = select_trained_on(everything, results, ["cat", "dog", "owl"])
    assert trained.contents == contents[:4]
    assert trained.names == everything.names[:4]
    assert trained.labels == ["cat", "dog", "dog", "owl"]
    np.testing.assert_array_equal(trained.vectors, everything.vectors[:4])


def test_where_nothing_was_validated_all_that_is_stored_counts() -> None:
    everything = stored(random(2, 0))
    assert select_trained_on(everything, None, ["x"]) is everything
