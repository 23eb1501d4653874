"""Perceptual hashes: copies of an image share them, other images do not, and plain images have none."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from lastlayer.classifier.evaluation.likeness.near_duplicates import LOOKS_ALIKE
from lastlayer.classifier.evaluation.likeness.perceptual_hashes import difference
from lastlayer.featurizer.pipeline.decoding import decode_whole
from lastlayer.featurizer.pipeline.perceptual_hash import HASH_BYTES, SIDE, perceptual_hashes

COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as it is": lambda image: image,
    "half": lambda image: image.resize((image.width // 2, image.height // 2)),
    "a quarter": lambda image: image.resize((image.width // 4, image.height // 4)),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "grey": lambda image: image.convert("L"),
    "15 % less": lambda image: cropped(image, 0.075, 0.075, 0.925, 0.925),
    "15 % at each edge": lambda image: cropped(image, 0.15, 0.15, 0.85, 0.85),
    "a corner": lambda image: cropped(image, 0.0, 0.17, 0.83, 1.0),
    "a corner, half": lambda image: COPIES["half"](cropped(image, 0.13, 0.02, 0.98, 0.87)),
}


def picture(seed: int) -> Image.Image:
    """Return an image of soft shapes, as photos have them: large ones are strong, small ones weak."""
    random = np.random.default_rng(seed)
    levels = np.zeros((240, 320, 3))
    for size in (3, 5, 9, 17, 33):
        grid = random.normal(128, 90 / size**0.5, (size, size, 3)).clip(0, 255).astype(np.uint8)
        levels += np.asarray(Image.fromarray(grid).resize((320, 240), Image.Resampling.BICUBIC), float) - 128
    return Image.fromarray((128 + levels / 2).clip(0, 255).astype(np.uint8))


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))


def saved(image: Image.Image, quality: int = 80, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, **options)
    return file.getvalue()


def hashes(content: bytes) -> bytes:
    return decode_whole(content, width=32, height=32, max_pixels=1_000_000, hashes=True).hashes


@pytest.mark.parametrize("kind", COPIES)
def test_copies_look_alike(kind: str) -> None:
    for seed in range(10):
        image = picture(seed)
        assert difference(hashes(saved(COPIES[kind](image))), hashes(saved(image, 95))) <= LOOKS_ALIKE, seed


@pytest.mark.parametrize("kind", COPIES)
def test_other_images_do_not(kind: str) -> None:
    known = [hashes(saved(picture(seed))) for seed in range(30)]
    for seed in range(30, 40):
        other = hashes(saved(COPIES[kind](picture(seed))))
        assert min(difference(other, each) for each in known) > LOOKS_ALIKE


def test_their_form() -> None:
    found = hashes(saved(picture(0)))
    assert len(found) == 110 * HASH_BYTES
    rows = np.frombuffer(found, np.uint8).reshape(-1, HASH_BYTES)
    assert not (rows[:, -1] & 1).any()  # the bit that is left over
    luminance = np.asarray(picture(0).convert("L").resize((SIDE, SIDE)))
    whole, mirrored = perceptual_hashes(luminance), perceptual_hashes(luminance[:, ::-1])
    assert whole[:HASH_BYTES] == mirrored[HASH_BYTES : 2 * HASH_BYTES]
    assert whole[HASH_BYTES : 2 * HASH_BYTES] == mirrored[:HASH_BYTES]


def test_they_are_of_the_upright_image() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    lying = picture(0).transpose(Image.Transpose.ROTATE_90)
    assert difference(hashes(saved(lying, 95, exif=exif)), hashes(saved(picture(0), 95))) < 0.05
    assert difference(hashes(saved(lying, 95)), hashes(saved(picture(0), 95))) > LOOKS_ALIKE


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_plain_image_has_none(level: int) -> None:
    noise = np.random.default_rng(0).normal(level, 2, (64, 64, 3)).clip(0, 255).astype(np.uint8)
    assert hashes(saved(Image.fromarray(noise))) == b""


def test_there_are_none_where_they_were_not_asked_for() -> None:
    assert decode_whole(saved(picture(0)), width=32, height=32, max_pixels=1_000_000).hashes == b""


def test_hashes_of_another_form_tell_nothing() -> None:
    known = hashes(saved(picture(0)))
    assert difference(known, known) == 0
    for other in (b"", known[:-HASH_BYTES], known[:-1]):
        assert difference(known, other) == difference(other, known) == 1
