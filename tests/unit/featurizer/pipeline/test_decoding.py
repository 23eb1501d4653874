"""Image files become pixels: each format and colour mode, orientation, crop, and what is refused."""

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lastlayer.featurizer.errors import ImageTooLargeError, ImageUndecodableError
from lastlayer.featurizer.pipeline.decoding import decode, decode_whole
from lastlayer.rpc.errors import ImageEmptyError, ImageError
from lastlayer.rpc.vectors import View
from tests.attacks.featurizer import files
from tests.attacks.featurizer.files import saved

ORIENTATION = 0x0112


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels(content: bytes, size: int = 16, max_pixels: int = 1_000_000) -> npt.NDArray[np.int64]:
    crop = decode(content, width=size, height=size, max_pixels=max_pixels)
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    return crop.astype(np.int64)


def quarters() -> Image.Image:
    """Red, green over blue, white; 40 x 40."""
    image = Image.new("RGB", (40, 40), "red")
    image.paste((0, 255, 0), (20, 0, 40, 20))
    image.paste("blue", (0, 20, 20, 40))
    image.paste("white", (20, 20, 40, 40))
    return image


def corners(crop: npt.NDArray[np.int64]) -> list[str]:
    """The colours of the corners, from the top left in the reading direction."""
    names = {(255, 0, 0): "red", (0, 255, 0): "green", (0, 0, 255): "blue", (255, 255, 255): "white"}
    colours = np.array(list(names))
    found = [np.abs(colours - crop[y, x]).sum(1).argmin() for y, x in ((1, 1), (1, -2), (-2, 1), (-2, -2))]
    return [list(names.values())[index] for index in found]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_every_format_is_decoded(kind: str) -> None:
    assert corners(pixels(encoded(quarters(), kind))) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *(("RGB", kind) for kind in ("PNG", "TIFF", "WEBP")),
        *(("P", kind) for kind in ("PNG", "GIF", "BMP", "TIFF")),
        *(("CMYK", kind) for kind in ("JPEG", "TIFF")),
        *(("YCbCr", kind) for kind in ("JPEG", "TIFF")),
        *(("RGBA", kind) for kind in ("PNG", "TIFF", "WEBP")),
        ("LAB", "TIFF"),
    ],
)
def test_every_colour_mode_becomes_rgb(mode: str, kind: str) -> None:
    if mode == "LAB":
        image = Image.merge("LAB", [Image.new("L", (40, 40), value) for value in (136, 81, 70)])  # about pure red
        crop = pixels(encoded(image, kind))
        assert crop.shape == (16, 16, 3)
    else:
        assert corners(pixels(encoded(quarters().convert(mode), kind))) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_becomes_three_equal_channels(mode: str) -> None:
    grey = Image.new("L", (40, 40), 255)
    grey.paste(0, (20, 0, 40, 40))
    crop = pixels(encoded(grey.convert(mode)))
    assert (crop[:, :7] == 255).all()
    assert (crop[:, 9:] == 0).all()


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (np.full((8, 8), 0x8080, np.uint16), "PNG", 128),
        (np.full((8, 8), 0x8080, np.uint16), "TIFF", 128),
        (np.full((8, 8), 0x8080, np.int32), "TIFF", 128),
        (np.full((8, 8), 100, np.int32), "TIFF", 100),
        (np.full((8, 8), 0.5, np.float32), "TIFF", 128),
        (np.full((8, 8), 100.0, np.float32), "TIFF", 100),
        (np.full((8, 8), np.nan, np.float32), "TIFF", 0),
    ],
)
def test_wide_numbers_are_scaled_instead_of_clipped(values: npt.NDArray[Any], kind: str, expected: int) -> None:
    assert (pixels(encoded(Image.fromarray(values), kind)) == expected).all()


def test_16_bit_grey_with_a_transparent_value_is_scaled_too() -> None:
    image = Image.fromarray(np.full((8, 8), 0x4040, np.uint16))
    assert (pixels(encoded(image, transparency=1)) == 64).all()


def test_a_colour_under_full_transparency_does_not_show() -> None:
    image = Image.new("RGBA", (20, 20), (200, 0, 0, 0))
    assert (pixels(encoded(image)) == 255).all()


def test_half_transparency_is_mixed_with_white() -> None:
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 128))
    assert np.abs(pixels(encoded(image)) - 127).max() <= 1


@pytest.mark.parametrize(
    ("image", "transparency"),
    [
        (Image.new("RGB", (20, 20), (9, 8, 7)), (9, 8, 7)),
        (Image.new("L", (20, 20), 9), 9),
        (Image.new("1", (20, 20), 0), 0),
        (Image.new("RGB", (20, 20), (9, 8, 7)).quantize(2), 0),
        (Image.new("RGB", (20, 20), (9, 8, 7)).quantize(2), bytes(2)),
    ],
    ids=["rgb", "grey", "one bit", "palette index", "palette alphas"],
)
def test_a_transparent_colour_becomes_white(image: Image.Image, transparency: Any) -> None:
    assert (pixels(encoded(image, transparency=transparency)) == 255).all()


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "WEBP", "PNG"])
@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, ["red", "green", "blue", "white"]),
        (2, ["green", "red", "white", "blue"]),
        (3, ["white", "blue", "green", "red"]),
        (4, ["blue", "white", "red", "green"]),
        (5, ["red", "blue", "green", "white"]),
        (6, ["blue", "red", "white", "green"]),
        (7, ["white", "green", "blue", "red"]),
        (8, ["green", "white", "red", "blue"]),
    ],
)
def test_the_orientation_is_applied_once(kind: str, orientation: int, expected: list[str]) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    assert corners(pixels(encoded(quarters(), kind, exif=exif))) == expected


def test_a_turned_image_is_cropped_as_it_is_seen() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    wide = Image.new("RGB", (60, 20), "blue")
    wide.paste("red", (0, 0, 60, 10))  # the right half once turned
    crop = decode(encoded(wide, exif=exif), width=40, height=20, max_pixels=10_000)
    assert crop.shape == (20, 40, 3)
    assert (crop[:, :18] == (0, 0, 255)).all()
    assert (crop[:, 22:] == (255, 0, 0)).all()


@pytest.mark.parametrize("size", [(61, 40), (40, 61)], ids=["wide", "tall"])
@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, None),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
    ],
)
def test_the_region_is_what_the_pixels_show(
    size: tuple[int, int], orientation: int, turned: Image.Transpose | None
) -> None:
    across, down = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    upright = Image.fromarray(np.stack([across, down, across], 2).astype(np.uint8))
    stored = upright if turned is None else upright.transpose(turned)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = encoded(stored, exif=exif)
    seen = decode_whole(content, width=30, height=20, max_pixels=10_000, views=list(View)).seen
    for view, (pixels, region) in seen.items():
        box = (region.left * size[0], region.top * size[1], region.right * size[0], region.bottom * size[1])
        expected = np.asarray(upright.resize((30, 20), Image.Resampling.BILINEAR, box=box))
        assert np.abs(pixels.astype(int) - (expected[:, ::-1] if view.is_flipped else expected)).max() <= 1
    assert seen[View.WHOLE].region == seen[View.WHOLE_FLIPPED].region == (0, 0, 1, 1)
    assert seen[View.CROP].region == seen[View.CROP_FLIPPED].region


def test_only_the_views_that_are_wanted_are_made() -> None:
    decoded = decode_whole(saved(quarters(), "PNG"), width=8, height=8, max_pixels=10_000, views=[View.WHOLE_FLIPPED])
    assert list(decoded.seen) == [View.WHOLE_FLIPPED]


def test_the_whole_image_has_what_the_crop_leaves_out() -> None:
    image = Image.new("RGB", (300, 100), "blue")
    image.paste("red", (100, 0, 200, 100))
    seen = decode_whole(saved(image, "PNG"), width=30, height=30, max_pixels=10**6, views=[View.WHOLE]).seen
    assert (seen[View.WHOLE].pixels[:, [0, 5, 24, 29]] == (0, 0, 255)).all()
    assert (seen[View.WHOLE].pixels[:, 12:18] == (255, 0, 0)).all()


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of that very thing
def test_broken_exif_does_not_spoil_a_sound_image() -> None:
    content = encoded(quarters(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 30)
    assert corners(pixels(content)) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_is_taken(kind: str) -> None:
    other = [Image.new("RGB", (40, 40), "black")]
    content = encoded(quarters(), kind, save_all=True, append_images=other)
    assert corners(pixels(content)) == ["red", "green", "blue", "white"]


def test_the_centre_is_kept() -> None:
    image = Image.new("RGB", (300, 100), "blue")
    image.paste("red", (100, 0, 200, 100))
    wide = pixels(encoded(image), size=50)
    assert (wide[:, 1:-1] == (255, 0, 0)).all()  # at the edges the neighbours' colour is mixed in
    assert (wide[:, [0, -1]] != (0, 0, 255)).any(2).all()
    tall = pixels(encoded(image.transpose(Image.Transpose.ROTATE_90)), size=50)
    assert (tall[1:-1] == (255, 0, 0)).all()


def test_an_image_of_the_right_size_is_untouched() -> None:
    values = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    assert (pixels(encoded(Image.fromarray(values))) == values).all()


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 60), st.integers(1, 60))
def test_every_size_fits_every_target(width: int, height: int, to_width: int, to_height: int) -> None:
    content = encoded(Image.new("RGB", (width, height), (10, 20, 30)))
    crop = decode(content, width=to_width, height=to_height, max_pixels=1_000_000)
    assert crop.shape == (to_height, to_width, 3)
    assert (crop == (10, 20, 30)).all()


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (1, 1)])
def test_extreme_shapes_work(size: tuple[int, int]) -> None:
    assert (pixels(encoded(Image.new("RGB", size, "red")), size=224) == (255, 0, 0)).all()


def test_a_large_jpeg_yields_nearly_what_its_full_decoding_yields() -> None:
    gradient = Image.radial_gradient("L").resize((1200, 900))
    image = Image.merge("RGB", (gradient, gradient.transpose(Image.Transpose.ROTATE_180), gradient))
    reduced = pixels(encoded(image, "JPEG", quality=95), size=64, max_pixels=2_000_000)
    full = pixels(encoded(image), size=64, max_pixels=2_000_000)
    assert np.abs(reduced - full).mean() < 1


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_a_heic_yields_nearly_what_was_written(mode: str) -> None:
    gradient = Image.radial_gradient("L").resize((120, 90))
    image = Image.merge("RGB", (gradient, gradient.transpose(Image.Transpose.ROTATE_180), gradient)).convert(mode)
    assert np.abs(pixels(saved(image, "HEIF", quality=95), size=64) - pixels(encoded(image), size=64)).mean() < 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_heic_is_turned_once(orientation: int) -> None:
    image = Image.new("RGB", (96, 64), "red")
    image.paste("blue", (0, 0, 48, 32))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.info["exif"] = exif.tobytes()  # as telephones do, it is written both as EXIF and as what HEIC itself has
    found = pixels(saved(image, "HEIF", quality=95), size=64)
    assert np.abs(found - pixels(encoded(image, "PNG", exif=exif), size=64)).mean() < 4


def test_a_heic_with_odd_sides_is_cropped_to_them() -> None:
    content = saved(Image.new("RGB", (99, 33)), "HEIF")
    region = decode_whole(content, width=33, height=33, max_pixels=10_000).seen[View.CROP].region
    assert region == pytest.approx((1 / 3, 0, 2 / 3, 1), abs=1e-9)


def test_the_thumbnail_of_a_heic_is_not_taken_for_it() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8))
    alone = saved(noise, "HEIF", quality=50)
    noise.info["thumbnails"] = [192]
    both = saved(noise, "HEIF", quality=50)
    assert len(both) > 1.2 * len(alone)
    assert (pixels(both, size=64) == pixels(alone, size=64)).all()


def test_no_bytes() -> None:
    with pytest.raises(ImageEmptyError, match="no bytes"):
        pixels(b"")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\n<!DOCTYPE html><html>", "an HTML page"),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', "an SVG drawing"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "a video"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "an AVIF image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "no image"),
        (b"hello", "no image"),
    ],
)
def test_what_is_no_image_is_recognised(content: bytes, said: str) -> None:
    with pytest.raises(ImageUndecodableError) as caught:
        pixels(content)
    assert said in str(caught.value)
    assert str(caught.value).endswith("JPEG, PNG, WebP, HEIC, GIF, TIFF and BMP are accepted.")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "GIF", "TIFF", "BMP"])
def test_an_image_cut_short_is_refused(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    content = encoded(noise, kind)
    with pytest.raises(ImageUndecodableError):
        pixels(content[: len(content) // 2])


def claiming(width: int, height: int) -> bytes:
    """A PNG of less than 100 bytes whose header claims a size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(8001, 8000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_refused_by_the_header_alone(width: int, height: int) -> None:
    with pytest.raises(ImageTooLargeError, match=f"{width} x {height} pixels; at most 64 megapixels") as caught:
        pixels(claiming(width, height), max_pixels=64_000_000)
    assert caught.value.metadata == {"pixels": str(width * height), "max_pixels": "64000000"}


def test_as_many_pixels_as_are_allowed_pass() -> None:
    content = encoded(Image.new("L", (100, 50)))
    pixels(content, max_pixels=5000)
    with pytest.raises(ImageTooLargeError):
        pixels(content, max_pixels=4999)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP"]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=5),
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of odd metadata
def test_damage_ends_in_pixels_or_in_a_clear_refusal(kind: str, changes: list[tuple[float, int]]) -> None:
    content = bytearray(encoded(quarters(), kind))
    for place, value in changes:
        content[int(place * len(content))] = value
    with contextlib.suppress(ImageError):
        pixels(bytes(content))


@pytest.mark.parametrize(("size", "expected"), [((640, 320), (160, 80)), ((30, 900), (5, 160)), ((40, 30), (40, 30))])
def test_a_thumbnail_shows_the_whole_image_in_small(size: tuple[int, int], expected: tuple[int, int]) -> None:
    content = encoded(Image.new("RGB", size, (200, 30, 30)))
    thumbnail = decode_whole(content, width=24, height=24, max_pixels=10**6, thumbnail=True).thumbnail
    with Image.open(io.BytesIO(thumbnail)) as small:
        assert (small.format, small.size) == ("JPEG", expected)
        red, green, _ = np.asarray(small)[small.height // 2, small.width // 2]
    assert red > 180 > 60 > green


def test_a_thumbnail_is_upright_and_white_behind_what_is_transparent() -> None:
    stored = Image.new("RGBA", (60, 20), (0, 0, 0, 0))
    stored.paste((0, 0, 255, 255), (0, 0, 20, 20))  # blue at the left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: blue comes to the top
    content = encoded(stored, exif=exif)
    thumbnail = decode_whole(content, width=10, height=10, max_pixels=10**6, thumbnail=True).thumbnail
    with Image.open(io.BytesIO(thumbnail)) as small:
        assert small.size == (20, 60)
        pixels = np.asarray(small)
    assert pixels[8, 10, 2] > 200 > 80 > pixels[8, 10, 0]
    assert pixels[50, 10].min() > 240


def test_a_thumbnail_takes_over_nothing_but_the_picture() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a private description"
    content = encoded(quarters(), "JPEG", exif=exif, comment=b"a private comment", icc_profile=b"a private profile")
    assert content.count(b"private") == 3
    thumbnail = decode_whole(content, width=24, height=24, max_pixels=10**6, thumbnail=True).thumbnail
    assert b"private" not in thumbnail


def test_no_thumbnail_is_made_unless_it_is_wanted() -> None:
    content = encoded(Image.new("RGB", (40, 30)))
    assert decode_whole(content, width=24, height=24, max_pixels=10**6).thumbnail == b""


def test_a_palette_image_without_its_palette_is_damaged() -> None:
    content = files.png(2, 2, (b"IDAT", zlib.compress(bytes(6))), colour=3)
    with pytest.raises(ImageUndecodableError, match="damaged or incomplete PNG"):
        pixels(content)
