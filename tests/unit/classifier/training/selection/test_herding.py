import numpy as np

from lastlayer.classifier.domain.head import unit_length
from lastlayer.classifier.training.selection.herding import Herd, Images


def images(count, seed, classes=3):
    random = np.random.default_rng(seed)
    vectors = tuple(unit_length(random.normal(size=(count, width)).astype(np.float32)) for width in (4, 6))
    return Images(vectors, unit_length(random.uniform(size=(count, classes)).astype(np.float32)))


def reach(own, others, widths):
    """The mean of Gaussians, times how much the same classes are believed."""
    gaussians = [
        np.exp(-((one[:, None] - other[None]) ** 2).sum(2) / width)
        for one, other, width in zip(own.vectors, others.vectors, widths, strict=True)
    ]
    return np.mean(gaussians, axis=0) * (own.beliefs @ others.beliefs.T)


def test_the_choice_is_that_of_all_gains_computed_anew_each_time():
    pool, labelled = images(150, 1), images(7, 2)
    covered = np.arange(0, 150, 2)
    weights = np.random.default_rng(3).uniform(size=len(covered))
    targets = pool.only(covered)
    medians = [
        np.median(((one[:, None] - one[None]) ** 2).sum(2)[np.triu_indices(len(one), 1)]) for one in targets.vectors
    ]
    widths = [0.9 * medians[0], 0.4 * medians[1]]
    kernel, reached = reach(pool, targets, widths), reach(labelled, targets, widths).max(0)
    herd = Herd(pool, labelled, covered, (0.9, 0.4))
    herd.weigh(weights)
    allowed = np.ones(150, bool)
    allowed[::7] = False
    for _ in range(40):
        gains = np.maximum(kernel - reached, 0) @ weights
        expected = int(np.where(allowed, gains, -1).argmax())
        assert herd.choose(allowed) == expected
        allowed[expected] = False
        reached = np.maximum(reached, kernel[expected])


def test_a_label_covers_only_what_is_believed_to_be_of_its_class():
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    pool = Images((vectors,), np.eye(3, 2, dtype=np.float32)[[0, 1, 0]])
    labelled = Images((vectors[:1],), np.array([[1, 0]], np.float32))
    herd = Herd(pool, labelled, np.arange(3), (1.0,))
    allowed = np.array([True, True, False])
    assert herd.choose(allowed) == 1
