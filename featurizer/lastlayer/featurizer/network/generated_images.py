"""Made-up images that have what networks look for in photos, for measuring where there are no photos.

Leaves that fall on each other (Lee, Mumford and Huang, "Occlusion models for natural images", 2001): shapes of all
sizes that hide each other have the edges and the spectrum of natural images. Shades, stripes and grain are added.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

_MOST_SHAPES: Final = 80
_LEAST_RADIUS: Final = 4.0


def generate_images(count: int, *, width: int, height: int, seed: int) -> npt.NDArray[np.uint8]:
    """Return images, uint8 [count, height, width, 3]; the same ones for the same seed."""
    random = np.random.default_rng(seed)
    return np.stack([_generate(random, height, width) for _ in range(count)])


def _generate(random: np.random.Generator, height: int, width: int) -> npt.NDArray[np.uint8]:
    image = np.empty((height, width, 3), np.float32)
    image[:] = _colours(random, 1)[0]
    count = int(random.integers(5, _MOST_SHAPES))
    most = max(height, width) / 2
    # As many shapes of a size as there are in a photo that is scaled: in proportion to the radius to the power of -3.
    shares = random.uniform(0, 1, count)
    least = min(_LEAST_RADIUS, most / 8)
    radii = (least**-2 + shares * (most**-2 - least**-2)) ** -0.5
    radii = np.where(random.uniform(size=count) < 0.3, random.uniform(most / 6, most, count), radii)
    for radius, colour in zip(radii, _colours(random, count), strict=True):
        _draw(random, image, float(radius), colour)
    grain = random.normal(0, random.uniform(1, 12), (height, width, 1)).astype(np.float32)
    image += grain
    image += np.roll(grain, 1, 0) + np.roll(grain, 1, 1)  # not white: neighbours are alike in photos
    if random.uniform() < 0.5:  # out of focus
        blurred = image + np.roll(image, 1, 0) + np.roll(image, 1, 1) + np.roll(image, (1, 1), (0, 1))
        image = (blurred / 4).astype(np.float32)
    toned = (image - image.mean()) * random.uniform(0.5, 1.3) + random.uniform(60, 190)
    pixels: npt.NDArray[np.uint8] = toned.clip(0, 255).astype(np.uint8)
    return pixels


def _colours(random: np.random.Generator, count: int) -> npt.NDArray[np.float32]:
    """Return colours, float32 [count, 3]: greys of all kinds, a little tinted."""
    return (random.uniform(0, 255, (count, 1)) + random.normal(0, 35, (count, 3))).astype(np.float32)


def _draw(
    random: np.random.Generator, image: npt.NDArray[np.float32], radius: float, colour: npt.NDArray[np.float32]
) -> None:
    """Draw a turned ellipse, lozenge or rectangle, shaded and at times striped, over the image."""
    height, width, _ = image.shape
    y, x = random.uniform(0, height), random.uniform(0, width)
    reach = 1.5 * radius
    top, bottom = max(0, int(y - reach)), min(height, int(y + reach) + 1)
    left, right = max(0, int(x - reach)), min(width, int(x + reach) + 1)
    down = np.arange(top, bottom, dtype=np.float32)[:, None] - y
    across = np.arange(left, right, dtype=np.float32)[None] - x
    angle, flatness, roundness = random.uniform(0, np.pi), random.uniform(0.4, 1), int(random.choice([1, 2, 8]))
    first = (across * np.cos(angle) + down * np.sin(angle)) / radius
    second = (down * np.cos(angle) - across * np.sin(angle)) / (radius * flatness)
    inside = np.abs(first) ** roundness + np.abs(second) ** roundness < 1
    shaded = 1 + random.uniform(0, 0.4) * first[inside]
    pixels = shaded[:, None] * colour
    if random.uniform() < 0.3:
        stripes = np.sin(random.uniform(0.4, 2.4) * radius * first[inside])
        pixels += random.uniform(5, 40) * stripes[:, None]
    image[top:bottom, left:right][inside] = pixels
