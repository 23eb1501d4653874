"""Made-up images: the same everywhere, and each another one."""

import numpy as np

from lastlayer.featurizer.network.generated_images import generate_images


def test_images_are_the_same_for_a_seed_and_differ_among_each_other() -> None:
    images = generate_images(6, width=48, height=32, seed=3)
    assert images.shape == (6, 32, 48, 3)
    assert images.dtype == np.uint8
    assert np.array_equal(images, generate_images(6, width=48, height=32, seed=3))
    assert not np.array_equal(images, generate_images(6, width=48, height=32, seed=4))
    assert len({image.tobytes() for image in images}) == 6


def test_images_have_edges_and_areas_as_photos_do() -> None:
    """Neighbouring pixels are alike, far ones are not: noise would have neither."""
    images = generate_images(16, width=96, height=96, seed=0).astype(np.float64).mean(3)
    spread = images.var((1, 2)).mean()
    near = ((images[:, :, 1:] - images[:, :, :-1]) ** 2).mean()
    far = ((images[:, :, 48:] - images[:, :, :-48]) ** 2).mean()
    assert near < 0.5 * spread
    assert far > 1.2 * spread


def test_images_can_have_any_size() -> None:
    assert generate_images(3, width=1, height=1, seed=0).shape == (3, 1, 1, 3)
    assert generate_images(3, width=7, height=90, seed=0).shape == (3, 90, 7, 3)
