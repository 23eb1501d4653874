"""Pictures of explanations: where they are coloured and how, what is below, and what the caption has room for."""

import io
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from lastlayer.client.output import heatmap
from lastlayer.client.output.fonts import font_for
from lastlayer.client.output.heatmap import PictureError, draw, overlay, upright
from lastlayer.client.results.images import Explanation, ImageRegion
from lastlayer.client.results.predictions import LabelScore, Prediction
from tests.attacks.featurizer.files import saved

GREY = (128, 128, 128)


def explanation(
    *rows: tuple[float, ...], region: tuple[float, float, float, float] = (0, 0, 1, 1), label: str = "cat"
) -> Explanation:
    return Explanation(
        label=label,
        probability=0.875,
        logit=2.0,
        bias=0.5,
        contributions=rows,
        region=ImageRegion(*region),
        prediction=Prediction("cat.jpg", (LabelScore(label, 0.875),), "default", 3),
    )


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def drawn(picture: Image.Image) -> npt.NDArray[np.int64]:
    return np.asarray(picture).astype(np.int64)


def test_what_speaks_for_it_is_warm_and_what_speaks_against_it_is_blue() -> None:
    pixels = drawn(overlay(Image.new("RGB", (300, 100), GREY), explanation((3.0, 0.0, -3.0))))
    warm, neutral, blue = pixels[50, 20], pixels[50, 150], pixels[50, 280]
    assert warm[0] > warm[2] + 80
    assert blue[2] > blue[0] + 80
    assert np.abs(neutral - 128).max() < 20


def test_the_photo_is_seen_below() -> None:
    photo = Image.new("RGB", (200, 100), "black")
    photo.paste("white", (0, 0, 200, 50))
    pixels = drawn(overlay(photo, explanation((1.0, 1.0))))
    assert pixels[:50].sum(2).min() > pixels[50:].sum(2).max() + 100


def test_colours_change_smoothly() -> None:
    pixels = drawn(overlay(Image.new("RGB", (400, 400), GREY), explanation((1.0, -1.0), (-1.0, 1.0))))
    assert np.abs(np.diff(pixels, axis=0)).max() <= 4
    assert np.abs(np.diff(pixels, axis=1)).max() <= 4


def test_nothing_outside_the_region_is_touched() -> None:
    values = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    found = drawn(overlay(Image.fromarray(values), explanation((1.0, 2.0), region=(0.25, 0, 0.75, 1))))
    outside = np.ones(160, bool)
    outside[40:120] = False
    assert (found[:, outside] == values[:, outside]).all()
    assert (found[:, ~outside] != values[:, ~outside]).any(2).mean() > 0.9
    assert (found[:, 40] == 255).all()  # its frame


def test_a_region_that_is_the_whole_photo_has_no_frame() -> None:
    pixels = drawn(overlay(Image.new("RGB", (100, 100), GREY), explanation((0.0,))))
    assert (pixels == 128).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 4000), (4000, 3), (2500, 2000)])
def test_photos_of_all_sizes(size: tuple[int, int]) -> None:
    picture = draw(encoded(Image.new("RGB", size)), explanation((1.0, -1.0), region=(0.4, 0.4, 0.6, 0.6)), "photo.png")
    assert 480 <= picture.width <= 1600
    assert picture.height <= 1800


def test_a_photo_is_turned_before_it_is_drawn_over() -> None:
    stored = Image.new("RGB", (40, 20), "blue")
    stored.paste("red", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: the left is then above
    photo = upright(encoded(stored, exif=exif))
    assert photo.size == (20, 40)
    assert (photo.getpixel((10, 5)), photo.getpixel((10, 35))) == ((255, 0, 0), (0, 0, 255))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("RGBA", (4, 4), (255, 0, 0, 0)), (255, 255, 255)),
        (Image.new("L", (4, 4), 77), (77, 77, 77)),
        (Image.new("P", (4, 4), 0), (0, 0, 0)),
        (Image.fromarray(np.full((4, 4), 65535, np.uint16)), (255, 255, 255)),
        (Image.fromarray(np.array([[0, 65535], [32768, 0]], np.uint16)).resize((4, 4), 0), (0, 0, 0)),
    ],
    ids=["transparent", "grey", "palette", "16 bits of white", "16 bits"],
)
def test_photos_of_all_kinds(image: Image.Image, expected: tuple[int, int, int]) -> None:
    photo = upright(encoded(image))
    assert (photo.mode, photo.getpixel((0, 0))) == ("RGB", expected)


@pytest.mark.parametrize("label", ["cat", "x" * 256, "кошка", "猫", "\u0642\u0637\u0629", "a\nb"])
def test_any_label_has_a_caption_of_the_same_size(label: str) -> None:
    content = encoded(Image.new("RGB", (300, 200), GREY))
    plain = draw(content, explanation((1.0,)), "photo.png")
    picture = draw(content, explanation((1.0,), label=label), "photo.png")
    assert picture.size == plain.size
    legend = (slice(-60, None), slice(-180, None))
    assert (drawn(picture)[legend] == drawn(plain)[legend]).all()  # nothing runs into it


def test_a_font_is_found_for_what_pillow_s_own_has_not() -> None:
    assert font_for("cat", 12).getname() == font_for("", 12).getname()
    assert font_for("\U0010fffd", 12).getname() == font_for("", 12).getname()  # nobody has it


@pytest.mark.parametrize("name", ["a\nb.png", "\udcff.png", "x" * 255])
def test_any_file_name_fits_the_caption(name: str) -> None:
    content = encoded(Image.new("RGB", (300, 200), GREY))
    assert draw(content, explanation((1.0,)), name).size == draw(content, explanation((1.0,)), "photo.png").size


def test_a_heic_photo_is_drawn_where_what_opens_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = saved(Image.new("RGB", (64, 48), "red"), "HEIF")
    assert upright(photo).size == (64, 48)
    heatmap._register_heif.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureError, match="needs pillow-heif to be drawn: pip install pillow-heif"):
        upright(photo)
